// What a text asks for in its own signs.

import { assertEquals } from "@std/assert";
import { type Piece, piecesOf } from "../src/web/markup.ts";
import { pageTest } from "./support/browser.ts";
import { makeUsers } from "./support/server.ts";

/** A text as signs that cannot be mistaken for it: ‹b:…› bold, ‹c:…› code, ‹block:…› lines of code, ‹…› an address. */
function shown(pieces: Piece[]): string {
  return pieces.map((piece) => {
    switch (piece.kind) {
      case "plain":
        return piece.parts.map(({ text, href }) => href === undefined ? text : `‹${text}›`).join("");
      case "bold":
        return `‹b:${shown(piece.pieces)}›`;
      case "code":
        return `‹c:${piece.text}›`;
      case "block":
        return `‹block:${piece.text}›`;
    }
  }).join("");
}

Deno.test("bold, code and blocks of code; what is not closed is text", () => {
  const table: [text: string, shown: string][] = [
    ["plain", "plain"],
    ["**bold**", "‹b:bold›"],
    ["so **very bold** it is", "so ‹b:very bold› it is"],
    ["2 ** 3 ** 4, and 2**3", "2 ** 3 ** 4, and 2**3"],
    ["** not **", "** not **"],
    ["**open", "**open"],
    ["a**b\nc**d", "a**b\nc**d"],
    ["`code`", "‹c:code›"],
    ["`**not bold**` but **`bold`**", "‹c:**not bold**› but ‹b:‹c:bold››"],
    ["`open", "`open"],
    ["``", "``"],
    ["`a\nb`", "`a\nb`"],
    ["`https://a.example`", "‹c:https://a.example›"],
    ["**https://a.example**", "‹b:‹https://a.example››"],
    ["```\nlet a = **b**;\n```", "‹block:let a = **b**;›"],
    ["see\n```ts\nlet a;\n\nlet b;\n```\nthere", "see‹block:let a;\n\nlet b;›there"],
    ["```\n```", "‹block:›"],
    ["```\nopen", "```\nopen"],
    ["not ``` here\n```", "not ``` here\n```"],
    ["```\none\n```\n```\ntwo\n```", "‹block:one›‹block:two›"],
    ["<b>**&amp;**</b>", "<b>‹b:&amp;›</b>"],
  ];
  for (const [text, expected] of table) assertEquals(shown(piecesOf(text)), expected, text);
});

pageTest("code is set apart and can be copied", async (t) => {
  const alice = await t.user("alice");
  await alice.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await makeUsers(t.db, 1, "bob");
  await alice.begin("A person", "bob1");
  const code = "let a = 1;\n  let b = 2;";
  await alice.page.locator(".composer textarea").fill(`see **this**\n\`\`\`ts\n${code}\n\`\`\``);
  await alice.page.keyboard.press("Enter");
  await alice.page.locator(".message strong", { hasText: "this" }).waitFor();
  await alice.button("Copy the code").click();
  await alice.button("Copied").waitFor();
  assertEquals(await alice.page.evaluate("navigator.clipboard.readText()"), code);

  // As over plain HTTP, from another machine.
  await alice.page.evaluate('Object.defineProperty(navigator, "clipboard", { value: undefined })');
  await alice.page.locator(".code button").click();
  await alice.page.getByRole("alert").getByText("The browser does not let this page copy.").waitFor();
});
