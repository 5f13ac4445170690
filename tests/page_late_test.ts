// The page when an answer comes late: what it is about is another by then, or somebody else's.

import { assertEquals } from "@std/assert";
import { ConnectionLost, NatterError } from "../src/client/natter_client.ts";
import { type Line, newConversation } from "../src/web/state/model.ts";
import { forget, letGo, readAccount, readDraft, readPreference, writeAccount, writeDraft, writePreference } from "../src/web/state/storage.ts";
import { Store } from "../src/web/state/store.ts";
import { eventually } from "./support/server.ts";

const ME = 1, BOB = 2;

/** A part of the page that speaks to its client. Its types are those of a browser, which there are none of here. */
async function part(name: "Deeds" | "Talk") {
  return (await import(`../src/web/state/${name.toLowerCase()}.ts`))[name];
}

function line(messageid: number, more: Partial<Line> = {}): Line {
  return { messageid, id: BOB, name: "bob", msg: `text ${messageid}`, ts: messageid * 1000, state: "stored", ...more };
}

function lines(from: number, to: number): Line[] {
  return Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
}

Deno.test("page: what the browser has no room for stays as long as the page is, and goes when another tab has the account", () => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, "localStorage")!;
  const full = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  Object.defineProperty(globalThis, "localStorage", { configurable: true, value: { getItem: () => null, setItem: full, removeItem() {} } });
  try {
    const account = { id: ME, name: "me", token: "a token" };
    const write = () => {
      writeAccount(account);
      writeDraft(ME, "u2", "a draft");
      writePreference("theme", "dark");
    };
    const read = () => [readAccount(), readDraft(ME, "u2"), readPreference("theme")];
    write();
    assertEquals(read(), [account, "a draft", "dark"]);
    writeDraft(ME, "u2", "");
    assertEquals(readDraft(ME, "u2"), "");
    write();
    forget(ME);
    assertEquals(read(), [undefined, "", "dark"], "nothing of the user's");
    write();
    letGo();
    assertEquals(read(), [undefined, "", "dark"]);
  } finally {
    writePreference("theme", undefined);
    Object.defineProperty(globalThis, "localStorage", kept);
  }
});
