// docs/protocol.md says what is so: its transcripts are played against a real server.

import { assertEquals, assertThrows } from "@std/assert";
import { Errno } from "../src/wire/errors.ts";
import { Msg } from "../src/wire/requests.ts";
import { play, transcriptsOf } from "./support/transcript.ts";

const text = await Deno.readTextFile(new URL("../docs/protocol.md", import.meta.url));
const transcripts = transcriptsOf(text);

for (const transcript of transcripts) {
  Deno.test(`docs/protocol.md: the transcript in line ${transcript.line}`, () => play(transcript));
}

/** All numbers that this field has in lines of transcripts. */
function numbersOf(field: string): Set<number> {
  const lines = transcripts.flatMap((t) => t.steps).map((s) => s.kind === "client" || s.kind === "server" ? s.text : "");
  return new Set(lines.flatMap((line) => [...line.matchAll(new RegExp(`"${field}":(\\d+)`, "g"))].map(([, n]) => Number(n))));
}

Deno.test("docs/protocol.md: every msgid and every errno occurs in a transcript", () => {
  const msgids = numbersOf("msgid"), errnos = numbersOf("errno");
  assertEquals(Object.entries(Msg).filter(([, n]) => !msgids.has(n)), []);
  assertEquals(Object.entries(Errno).filter(([, n]) => !errnos.has(n)), []);
});

Deno.test("docs/protocol.md: a transcript that is not so fails, and one that cannot be read does not pass for a good one", async () => {
  const wrong = [
    'C: {"msgid":13}\nS: {"msgid":13}',
    'C: {"msgid":13,"ref":1}\nS: {"msgid":14}',
    'C: {"msgid":13} × 3\nS: {"msgid":14} × 2',
    'C: {"msgid":4,"name":"a","password":"b"}\nS: {"msgid":5,"errno":0,"id":<a>}\nC: {"msgid":13,"ref":<a>}\nS: {"msgid":14,"ref":<token>}',
    'C: {"msgid":13,"ref":<nobody>}\nS: {"msgid":14,"ref":1}',
    "(pigs fly)",
  ];
  for (const lines of wrong) {
    const [transcript] = transcriptsOf("```transcript\n" + lines + "\n```");
    const outcome = await play(transcript).then(() => "passed", () => "failed");
    assertEquals(outcome, "failed", lines);
  }
  for (const lines of ["S {}", "alice: {}", "C:{}"]) assertThrows(() => transcriptsOf("```transcript\n" + lines + "\n```"));
});
