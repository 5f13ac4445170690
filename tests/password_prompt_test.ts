// The operator's commands ask for a password at a terminal. Nothing of it is shown, however soon it is typed.

import { assertEquals } from "@std/assert";
import { readPassword } from "../src/cli/password_prompt.ts";

Deno.test("password prompt: the terminal shows nothing that is typed from before it is asked until it was read", async () => {
  const { stdin, stderr } = Deno;
  const whole = { isTerminal: stdin.isTerminal, setRaw: stdin.setRaw, read: stdin.read, writeSync: stderr.writeSync };
  const happened: string[] = [];
  Object.assign(stdin, {
    isTerminal: () => true,
    setRaw: (raw: boolean) => void happened.push(raw ? "hidden" : "shown"),
    read: (buffer: Uint8Array) => {
      happened.push("read");
      return Promise.resolve(new TextEncoder().encodeInto("secret\r", buffer).written);
    },
  });
  stderr.writeSync = (bytes) => happened.push(new TextDecoder().decode(bytes)) && bytes.length;
  try {
    assertEquals(await readPassword("Password: "), "secret");
  } finally {
    Object.assign(stdin, { isTerminal: whole.isTerminal, setRaw: whole.setRaw, read: whole.read });
    stderr.writeSync = whole.writeSync;
  }
  assertEquals(happened, ["hidden", "Password: ", "read", "shown", "\n"]);
});
