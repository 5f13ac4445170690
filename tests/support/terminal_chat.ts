/** People at terminals. */
import { assertEquals } from "@std/assert";
import { RawClient } from "./raw_client.ts";
import { Terminal } from "./terminal.ts";

export const PASSWORD = "wonderland";
export const UP = "\x1b[A", LEFT = "\x1b[D", CTRL_C = "\x03", CTRL_D = "\x04";

// `script` has other arguments elsewhere.
export const here = Deno.build.os === "linux";
export const test = (name: string, fn: () => Promise<void>) => Deno.test({ name: `terminal: ${name}`, ignore: !here, fn });

/** Makes accounts with that password, numbered from 1. */
export async function register(port: number, ...names: string[]): Promise<void> {
  await using client = await RawClient.connect(port);
  for (const name of names) assertEquals((await client.register(name, PASSWORD)).errno, 0);
}

/** Logs in at a terminal, and waits for the prompt. */
export async function chat(port: number, name: string, env: Record<string, string> = {}): Promise<Terminal> {
  const terminal = new Terminal(["chat", `127.0.0.1:${port}`, "--name", name], { NATTER_PASSWORD: PASSWORD, ...env });
  await terminal.see(`* logged in as ${name} (${{ alice: 1, bob: 2, mallory: 3 }[name]})`);
  await terminal.until(() => terminal.lastRow === ">", "a prompt");
  return terminal;
}

/** Types a line, and waits until the prompt stands below it. */
export async function enter(terminal: Terminal, line: string): Promise<void> {
  const { row } = terminal.screen.cursor;
  await terminal.type(line + "\r");
  await terminal.until(() => terminal.screen.cursor.row > row && /> ?$/.test(terminal.lastRow), `a prompt after ${line}`);
}

export async function talkTo(terminal: Terminal, name: string): Promise<void> {
  await terminal.type(`/to ${name}\r`);
  await terminal.until(() => terminal.lastRow === `${name}>`, "the conversation's prompt");
}
