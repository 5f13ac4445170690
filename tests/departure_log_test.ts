// The log of a running server: "why was this user cut?" has one line each, messages have none, and no secret is ever in it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { testDatabase } from "./support/databases.ts";
import { cheapServer, Program, run } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually, stateOf } from "./support/server.ts";

interface Line {
  level: string;
  message: string;
  [field: string]: unknown;
}

const PASSWORD = "first-Secret-1", FRESH = "second-Secret-2", WRONG = "wrong-Secret-3";

Deno.test("log: who was cut and why; nothing per message; no password and no token, even at debug", async () => {
  await Promise.all(["info", "debug"].map(async (level) => {
    await using db = await testDatabase("sqlite");
    const where = ["--listen", "127.0.0.1:0", "--http", "off", "--node", "test", "--database", db.url];
    await using server = new Program([...where, "--heartbeat", "1", "--log", "json", "--log-level", level], { program: cheapServer });
    const { tcp: port } = await server.ready();
    const tokens: string[] = [];
    const enter = async (credentials: object): Promise<RawClient> => {
      const client = await RawClient.connect(port);
      const ack = await client.request({ msgid: 1, proto: 2, ...credentials }, 90_000);
      assertEquals(ack.errno, 0);
      tokens.push(ack.token!);
      return client;
    };

    const gone = () => eventually(async () => await stateOf(db, id!) === "offline", "offline");

    const first = await RawClient.connect(port);
    const { id } = await first.request({ msgid: 4, name: "alice", password: PASSWORD }, 90_000);
    assertEquals((await first.request({ msgid: 1, id, password: WRONG }, 90_000)).errno, 1);
    assertEquals((await first.request({ msgid: 1, id, token: WRONG }, 90_000)).errno, 1);
    const { token } = await first.request({ msgid: 1, id, password: PASSWORD, proto: 2 }, 90_000);
    tokens.push(token!);
    for (let i = 0; i < 20; i++) assertEquals((await first.request({ msgid: 6, toid: id, msg: `hush-hush ${i}` })).errno, 0);
    assertEquals((await first.request({ msgid: 22, old: WRONG, new: FRESH }, 90_000)).errno, 1);
    assertEquals((await first.request({ msgid: 22, old: PASSWORD, new: FRESH }, 90_000)).errno, 0);
    await first.request({ msgid: 3 });
    await first.close();

    const fin = await enter({ id, password: FRESH });
    fin.fin();
    await gone();
    const reset = await enter({ id, token: tokens.at(-1) });
    await reset.rst();
    await gone();
    const bad = await enter({ id, token: tokens.at(-1) });
    for (let i = 0; i < 10; i++) bad.sendBytes(`{"msgid":1,"password":"${WRONG}"\n`);
    await bad.closed;
    await gone();
    const silent = await enter({ id, token: tokens.at(-1) });
    await silent.closed;
    await gone();
    const kicked = await enter({ id, token: tokens.at(-1) });
    kicked.answerPings();
    assertEquals((await run(["kick", "alice", "--database", db.url])).code, 0);
    await kicked.closed;
    await gone();
    const last = await enter({ id, token: tokens.at(-1) });
    server.kill("SIGTERM");
    assertEquals((await server.ended()).code, 0);
    await last.closed;

    const { stdout, stderr } = await server.ended();
    for (const secret of [PASSWORD, FRESH, WRONG, "hush-hush", ...tokens]) assert(!(stdout + stderr).includes(secret), `${secret} at ${level}`);
    const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
    const departures = lines.filter(({ message, user }) => message === "departure" && user !== undefined);
    assertEquals(departures.map(({ cause }) => cause), ["logout", "fin", "reset", "badinput", "silent", "kicked", "stopping"]);
    for (const departure of departures) {
      assertEquals([departure.level, departure.user, departure.address], ["info", id, "127.0.0.1"]);
      assertMatch(String(departure.session), /^[0-9a-f]{32}$/);
      assert(Number.isInteger(departure.duration) && departure.duration as number >= 0);
    }
    // The session has the same name in both lines.
    const logins = lines.filter(({ message }) => message === "login");
    assertEquals(logins.map(({ session }) => session), departures.map(({ session }) => session));
    if (level === "info") assertEquals(lines.length, logins.length + departures.length, stderr);
  }));
});
