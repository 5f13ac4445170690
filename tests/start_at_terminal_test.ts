// `deno task start` at a terminal, which tells it and the task of Ctrl-C and of its own end: it stops in order.

import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type TestDatabase, testDatabase } from "./support/databases.ts";
import { asTask, denoEnv } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { countOnline, eventually, makeUsers } from "./support/server.ts";

/** The task in a pseudo-terminal, which `script` (util-linux) makes, and a user who is logged in. */
async function atTerminal(db: TestDatabase) {
  const words = [...asTask, "--listen", "127.0.0.1:0", "--http", "off", "--database", db.url].map((word) => `'${word}'`).join(" ");
  const terminal = new Deno.Command("script", {
    args: ["-qfec", `exec ${words}`, "/dev/null"],
    env: { ...denoEnv(), PATH: Deno.env.get("PATH") ?? "", SHELL: "/bin/sh" },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = terminal.stdin.getWriter(), port = Promise.withResolvers<number>();
  let shown = "";
  const reading = (async () => {
    for await (const part of terminal.stdout.pipeThrough(new TextDecoderStream())) {
      shown += part;
      const ready = /ready tcp=\S+:(\d+)\r\n/.exec(shown);
      if (ready) port.resolve(Number(ready[1]));
    }
    port.reject(new Error(shown));
  })();
  const [user] = await makeUsers(db, 1);
  const client = await RawClient.connect(await port.promise);
  assertEquals((await client.login({ id: user.id, token: user.token, proto: 2 })).errno, 0);
  return {
    client,
    type: (text: string) => keys.write(new TextEncoder().encode(text)),
    close: () => terminal.kill("SIGKILL"),
    /** Resolves with the exit code and what was shown. */
    async ended(): Promise<{ code: number; shown: string }> {
      const [{ code }] = await Promise.all([terminal.status, keys.close().catch(() => {}), reading]);
      return { code, shown };
    },
  };
}

function terminalTest(name: string, fn: (db: TestDatabase) => Promise<void>): void {
  Deno.test({
    name: `start at a terminal: ${name}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using db = await testDatabase("sqlite");
      await fn(db);
    },
  });
}

terminalTest("one Ctrl-C stops it in order", async (db) => {
  const server = await atTerminal(db);
  await using client = server.client;
  await server.type("\x03");
  const { code, shown } = await server.ended();
  assertEquals([code, await countOnline(db)], [0, 0], shown);
  assertEquals((await client.next((m) => m.msgid === 20)).reason, "stopping");
});

terminalTest("so does closing the terminal", async (db) => {
  const server = await atTerminal(db);
  await using client = server.client;
  server.close();
  assertEquals((await client.next((m) => m.msgid === 20)).reason, "stopping");
  await client.closed;
  await server.ended();
  await eventually(async () => await countOnline(db) === 0, "all are offline");
  // It has ended: its database is free.
  await eventually(() => db.open().then((store) => store.join("another")).then(() => true, () => false), "another may serve the file");
});

terminalTest("so does Ctrl-C behind which the terminal is closed", async (db) => {
  const server = await atTerminal(db);
  await using client = server.client;
  // Somebody else writes: the stop takes as long as that.
  const other = new DatabaseSync(db.url.slice("sqlite:".length));
  other.exec("BEGIN IMMEDIATE");
  await server.type("\x03");
  assertEquals((await client.next((m) => m.msgid === 20)).reason, "stopping");
  server.close();
  await server.ended();
  // Nothing tells that SIGHUP has come; too short a moment could only let a defect through.
  await new Promise((resolve) => setTimeout(resolve, 500));
  assertEquals(await countOnline(db), 1);
  other.exec("COMMIT");
  other.close();
  await eventually(async () => await countOnline(db) === 0, "all are offline");
  await eventually(() => db.open().then((store) => store.join("another")).then(() => true, () => false), "another may serve the file");
});
