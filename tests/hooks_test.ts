// Hooks: a program says something in a group over HTTP, once, and who may make that so.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno } from "./support/chat.ts";
import { clockStopped } from "./support/clock.ts";
import { databaseTest, type TestDatabase } from "./support/databases.ts";
import { Program, run } from "./support/program.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";

const proto3 = { proto: 3 };
const isText = (m: Message) => m.msgid === 10;

/** A server with HTTP, whose first user has a group that the second is in. */
class HookServer implements AsyncDisposable {
  readonly #http = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });

  private constructor(
    /** What the server asks of its store. */
    readonly watch: StoreWatch,
    readonly s: TestServer,
    readonly users: TestUser[],
    readonly ann: RawClient,
    readonly bob: RawClient,
    readonly groupid: number,
  ) {}

  static async start(db: TestDatabase, fields: object = {}, settings: Record<string, string | number> = { limits: "off" }): Promise<HookServer> {
    const watch = new StoreWatch();
    const s = await startServer(db, { http: "127.0.0.1:0", ...settings }, { store: watch.wrap });
    const users = await makeUsers(db, 3);
    const [ann, bob] = [await s.client(users[0]!, proto3), await s.client(users[1]!, proto3)];
    const { groupid } = await ok(ann, { msgid: 8, groupname: "crew", groupdesc: "", ...fields });
    const { code } = await ok(ann, { msgid: 39, groupid });
    await ok(bob, { msgid: 9, code });
    return new HookServer(watch, s, users, ann, bob, groupid!);
  }

  /** HOOK, of the first user. @returns its path */
  async hook(name = "build"): Promise<string> {
    return String((await ok(this.ann, { msgid: 47, groupid: this.groupid, name })).url);
  }

  post(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
    const type = typeof body === "string" && body.startsWith("{") ? "application/json" : "application/x-www-form-urlencoded";
    const url = `http://127.0.0.1:${this.s.server.addresses.http!.port}${path}`;
    return fetch(url, { method: "POST", body, headers: { "content-type": type, ...headers }, client: this.#http });
  }

  async status(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<number> {
    const response = await this.post(path, body, headers);
    await response.body?.cancel();
    return response.status;
  }

  /** What was said in the group. */
  async said(): Promise<string[]> {
    const { messages } = await ok(this.ann, { msgid: 16, groupid: this.groupid });
    return (messages as Message[]).flatMap(({ msg, what }) => what === undefined ? [String(msg)] : []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.close();
    this.ann.close();
    this.bob.close();
    await this.s[Symbol.asyncDispose]();
  }
}

async function ok(client: RawClient, request: { msgid: number; [field: string]: unknown }): Promise<Message> {
  const answer = await client.request(request);
  assertErrno(answer, 0, `${JSON.stringify(request)}: ${JSON.stringify(answer)}`);
  return answer;
}

databaseTest("hooks: what is posted is said by the hook's bot to all members, and the bot is nobody else's business", async (db) => {
  await using h = await HookServer.start(db);
  const path = await h.hook();
  assertMatch(path, /^\/hooks\/[\w-]{22}$/);
  const [row] = await db.query("select hash from hook");
  assert(!String(row!.hash).includes(path.slice(7)));
  const response = await h.post(path, "The build is red\n");
  const { messageid, ts } = await response.json();
  assertEquals(response.status, 200);
  const got = await h.bob.next(isText);
  const bot = got.id as number;
  const { seq, time: _, ...rest } = got;
  assertEquals(rest as object, { msgid: 10, id: bot, name: "build", groupid: h.groupid, msg: "The build is red", ts, messageid });
  assertEquals(typeof seq, "number");
  assertEquals((await h.ann.next(isText)).msg, "The build is red");
  assertEquals(await h.status(path, JSON.stringify({ text: "green\nagain", username: "ci" })), 200);
  assertEquals(await h.said(), ["The build is red", "ci: green\nagain"]);

  const members = await ok(h.ann, { msgid: 32, groupid: h.groupid });
  assertEquals([members.count, (members.members as unknown[]).length], [2, 2]);
  assertErrno(await h.ann.request({ msgid: 6, toid: bot, msg: "hi" }), 16);
  assertErrno(await h.ann.request({ msgid: 7, friendname: "build" }), 16);
  assertErrno(await h.ann.request({ msgid: 36, groupid: h.groupid, userid: bot, role: "creator" }), 16);
  assertEquals((await ok(h.ann, { msgid: 42, names: ["build"] })).users, []);
  assertEquals(await db.query("select * from inbox where userid = " + bot), []);
  await using stranger = await h.s.connect();
  assertErrno(await stranger.login({ name: "build", password: "x" }), 1);
  // Its message is one of the group's: who may, deletes it.
  await ok(h.ann, { msgid: 26, messageid });
  assertEquals((await h.said()).at(-1), "ci: green\nagain");
  // Whoever is gone leaves the group without the bot: it is never the next creator.
  await ok(h.ann, { msgid: 19, groupid: h.groupid });
  assertEquals((await ok(h.bob, { msgid: 32, groupid: h.groupid })).count, 1);
  assertEquals(await h.status(path, "still here"), 200);
  await ok(h.bob, { msgid: 19, groupid: h.groupid });
  assertEquals(await h.status(path, "anybody?"), 404);
  assertEquals(await db.query("select * from hook"), []);
});

databaseTest("hooks: the same Idempotency-Key is the same message", async (db) => {
  await using h = await HookServer.start(db);
  const path = await h.hook();
  const once = { "idempotency-key": "run 17" };
  const answers = await Promise.all(Array.from({ length: 5 }, async () => await (await h.post(path, "red", once)).text()));
  assertEquals(new Set(answers).size, 1);
  assertEquals(await h.said(), ["red"]);
  assertEquals(await h.status(path, "green", once), 400);
  assertEquals(await h.status(path, "green", { "idempotency-key": "x".repeat(65) }), 400);
  assertEquals(await h.status(path, "red", { "idempotency-key": "run 18" }), 200);
  assertEquals(await h.said(), ["red", "red"]);
  // Another hook's keys are its own.
  assertEquals(await h.status(await h.hook("deploy"), "red", once), 200);
  assertEquals(await h.said(), ["red", "red", "red"]);
});

databaseTest("hooks: creator and moderators make them, end them, and change their keys; private groups do not exist for others", async (db) => {
  await using h = await HookServer.start(db, { private: true });
  const { groupid, ann, bob } = h;
  const hook = (client: RawClient, fields: object = {}) => client.request({ msgid: 47, groupid, name: "build", ...fields });
  await using cid = await h.s.client(h.users[2]!, proto3);
  assertErrno(await hook(bob), 22);
  assertErrno(await hook(bob, { off: true }), 22);
  assertErrno(await hook(cid), 17);
  assertErrno(await hook(ann, { groupid: 999 }), 17);
  const first = await h.hook();
  assertEquals(await h.status(first, "1"), 200);
  await ok(ann, { msgid: 36, groupid, userid: h.users[1]!.id, role: "moderator" });
  await ok(ann, { msgid: 35, groupid, posting: "moderators" });
  const second = String((await ok(bob, { msgid: 47, groupid, name: "Build" })).url);
  assertEquals(await h.status(first, "2"), 404);
  assertEquals(await h.status(second, "3"), 200);
  assertEquals(await h.said(), ["1", "3"]);
  await ok(bob, { msgid: 47, groupid, name: "build", off: true });
  assertEquals(await h.status(second, "4"), 404);
  const senders = new Set((await db.query("select sender from message where kind = 0")).map(({ sender }) => sender));
  assertEquals(await h.status(await h.hook(), "5"), 200);
  assertEquals(new Set((await db.query("select sender from message where kind = 0")).map(({ sender }) => sender)), senders);

  // Nobody else's name, nor one that looks like it; and a bot's name is taken.
  assertErrno(await hook(ann, { name: h.users[2]!.name }), 1);
  assertErrno(await hook(ann, { name: "deleted" }), 1);
  const { groupid: other } = await ok(ann, { msgid: 8, groupname: "other", groupdesc: "" });
  assertErrno(await hook(ann, { groupid: other }), 1);
  assertErrno(await cid.request({ msgid: 47, groupid: other, name: "x" }), 18);
  await using stranger = await h.s.connect();
  assertErrno(await stranger.request({ msgid: 4, name: "Build", password: "secret" }), 1);
  for (let i = 0; i < 20; i++) await ok(ann, { msgid: 47, groupid: other, name: `n${i}` });
  assertErrno(await hook(ann, { groupid: other, name: "one more" }), 24);
  // With the group go its hooks, and the names are free.
  await ok(ann, { msgid: 19, groupid: other });
  await ok(ann, { msgid: 47, groupid, name: "n1" });
});

databaseTest("hooks: after the answer that ends one, or changes its key, nothing comes by it, also what was under way", async (db) => {
  await using h = await HookServer.start(db);
  const ends: (() => Promise<unknown>)[] = [
    () => h.hook(),
    () => ok(h.ann, { msgid: 47, groupid: h.groupid, name: "build", off: true }),
    () => ok(h.ann, { msgid: 19, groupid: h.groupid }).then(() => ok(h.bob, { msgid: 19, groupid: h.groupid })),
  ];
  for (const end of ends) {
    const path = await h.hook();
    const held = Promise.withResolvers<void>(), reached = Promise.withResolvers<void>();
    h.watch.around = async (call) => {
      if (call.name === "append") {
        reached.resolve();
        await held.promise;
      }
      return await call.run();
    };
    const status = h.status(path, "too late");
    await reached.promise;
    await end();
    held.resolve();
    assertEquals(await status, 404);
  }
  assertEquals(await db.query("select id from message where kind = 0"), []);
});

databaseTest("hooks: what is no message is refused, and nothing of it is said", async (db) => {
  await using h = await HookServer.start(db);
  const path = await h.hook();
  for (const body of ["", "  \n", "{", "{}", '{"text":""}', '{"text":1}', '{"text":"a","username":1}', '{"text":"a\\u0000"}', '{"text":"\\ud800"}']) {
    assertEquals(await h.status(path, body), 400, body);
  }
  assertEquals(await h.status(path, "null", { "content-type": "application/json ; charset=utf-8" }), 400);
  assertEquals(await h.status(path, new Uint8Array([0xff, 0xfe])), 400);
  assertEquals(await h.status(path, "x".repeat(65_537)), 413);
  assertEquals(await h.status(path, "\u0001".repeat(20_000)), 413);
  for (const key of ["", "x", "A".repeat(22), path.slice(7) + "x"]) assertEquals(await h.status(`/hooks/${key}`, "hi"), 404);
  assertEquals(await h.said(), []);
  assertEquals(await h.status(path, "x".repeat(65_000)), 200);
  // Whose name only begins so is another type.
  assertEquals(await h.status(path, "{}", { "content-type": "application/json-patch+json" }), 200);
});

databaseTest("hooks: who posts too much waits, and nobody else does", async (db) => {
  await using h = await HookServer.start(db, {}, {});
  const [path, other] = [await h.hook(), await h.hook("deploy")];
  const statuses: number[] = [];
  let retry: string | null = null;
  // What is refused takes a second, in which it would be paid for.
  using _clock = clockStopped();
  while (statuses.at(-1) !== 429 && statuses.length < 200) {
    const response = await h.post(path, "again ".repeat(1000));
    await response.body?.cancel();
    statuses.push(response.status);
    retry = response.headers.get("retry-after");
  }
  assertEquals(new Set(statuses), new Set([200, 429]));
  assertMatch(retry!, /^[1-9]\d*$/);
  // Who owes is refused whatever the body is: nobody has looked at it.
  assertEquals(await h.status(path, "{", { "content-type": "application/json" }), 429);
  assertEquals(await h.status(other, "me too"), 200);
  // Making them is done seldom.
  for (let i = 0; i < 8; i++) await ok(h.ann, { msgid: 47, groupid: h.groupid, name: `n${i}` });
  assertErrno(await h.ann.request({ msgid: 47, groupid: h.groupid, name: "more" }), 15);
});

databaseTest(
  "hooks: natter hook makes one; through a SIGKILL whatever got 200 is there, and what is sent again with its key is there once",
  async (db) => {
    await (await startServer(db)).server.close();
    const [ann] = await makeUsers(db, 1);
    const store = await db.open();
    await store.createGroup(ann!.id, "Crew", "crew", "");
    await store.close();
    const at = ["--database", db.url];
    const { stdout } = await run(["hook", "CREW", "build", "--url", "https://chat.example", ...at]);
    assertMatch(stdout, /^https:\/\/chat\.example\/hooks\/[\w-]{22}\n$/);
    assertEquals((await run(["hook", "other", "build", ...at])).stderr, "natter: there is no public group other\n");
    assertEquals((await run(["hook", "7", "build", ...at])).code, 1);
    assertEquals((await run(["hook", "1", "user1", ...at])).stderr, "natter: the name is taken, or looks like another's\n");
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const path = new URL(stdout.trim()).pathname;
    const started = async () => {
      const program = new Program(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--limits", "off", ...at]);
      const { http } = await program.ready();
      const post = async (n: number) => {
        const response = await fetch(`http://127.0.0.1:${http}${path}`, {
          method: "POST",
          body: `run ${n}`,
          headers: { "idempotency-key": `key ${n}` },
          client,
        });
        return { status: response.status, body: await response.text() };
      };
      return { program, post };
    };
    const answered = new Map<number, string>();
    let sent = 0;
    {
      const { program, post } = await started();
      await using _ = program;
      const enough = Promise.withResolvers<void>();
      const posting = Array.from({ length: 4 }, async () => {
        for (;;) {
          const n = ++sent;
          const { status, body } = await post(n);
          if (status === 200) answered.set(n, body);
          if (answered.size >= 40) enough.resolve();
        }
      });
      const over = Promise.allSettled(posting);
      await enough.promise;
      program.kill("SIGKILL");
      await over;
    }
    const { program, post } = await started();
    await using _ = program;
    for (let n = 1; n <= sent; n++) {
      const { status, body } = await post(n);
      assertEquals(status, 200);
      assertEquals(body, answered.get(n) ?? body);
    }
    const said = (await db.query("select msg from message where kind = 0")).map(({ msg }) => String(msg));
    assertEquals(said.sort(), Array.from({ length: sent }, (_, i) => `run ${i + 1}`).sort());
  },
);
