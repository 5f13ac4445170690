// All that is kept of a user, as JSON lines: the same for the operator and, over HTTP, for the user.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { NatterClient } from "../src/client/natter_client.ts";
import { exportData } from "../src/client/files.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { Exports } from "../src/http/export.ts";
import type { HttpRequest, Streamed } from "../src/net/exchange.ts";
import type { Limits } from "../src/ops/limits.ts";
import { TrustedTime } from "../src/ops/trusted_time.ts";
import { exportOf, PART_BYTES, PART_ROWS } from "../src/store/export.ts";
import { type Store, StoreUnavailable } from "../src/store/store.ts";
import { StoreWatch } from "./support/around_store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { clockByHand } from "./support/clock.ts";
import { addUsers, databaseTest, testDatabase } from "./support/databases.ts";
import { FileServer } from "./support/files.ts";
import { run } from "./support/program.ts";
import { HttpClient } from "./support/http_client.ts";
import { eventually, makeUsers, type TestUser } from "./support/server.ts";

type Line = { what: string } & Record<string, unknown>;

const linesOf = (text: string): Line[] => text.trimEnd().split("\n").map((line) => JSON.parse(line));
const bearing = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

/** Tables of which nothing of a user's is told, and why. */
const UNTOLD: Record<string, string> = {
  token: "secrets",
  node: "nobody's",
  epoch: "nobody's",
  schema_version: "nobody's",
  kick: "gone within seconds",
  gone: "nobody's",
  conversation: "the messages that are told, by conversation",
  inbox: "which of the messages that are told are still to be delivered",
  deed: "what was done is told with the message that it was done to",
  word: "the messages' own words",
  search_mark: "nobody's",
  search_part: "nobody's",
  look: "the name's own letters",
  leaving: "of accounts that are gone",
  hook: "a bot's is nobody's account",
  push_key: "nobody's",
};
/** Where the others are told. */
const TOLD: Record<string, string> = {
  user: "user",
  kept: "user",
  texts: "user",
  device: "device",
  push: "push",
  friend: "friend",
  block: "blocked",
  allgroup: "group",
  groupuser: "group",
  talk: "conversation",
  file: "file",
  message: "message",
  reaction: "reaction",
  invite: "invitation",
  report: "report",
  ban: "ban",
};

databaseTest("export: what of each table is the user's is told, to the operator and to the user alike, and nothing of others", async (db) => {
  // What their texts take is not written down between one telling and the other.
  const times = { quotaFlush: 3600_000 };
  await using files = await FileServer.start(db, { limits: "off", registration: "invite", invites: "members" }, { times });
  const [ann, bob] = await Promise.all(files.users.map(async (user) => {
    const client = new NatterClient({ connect: tcp({ port: files.server.port }) });
    await client.login(user);
    return client;
  })) as [NatterClient, NatterClient];
  await using _ = ann;
  await using __ = bob;
  const [{ id: annId, token }, { id: bobId }] = files.users as [TestUser, TestUser];
  await ann.addFriend({ id: bobId });
  const { groupid: group } = await ann.createGroup("dogs");
  const { groupid: other } = await bob.createGroup("cats");
  await ann.joinGroup({ id: other });
  const { id: file } = await files.upload("woof", "dog.txt");
  const { messageid } = await ann.chat({ id: bobId }, "hello", { files: [file] });
  const answer = await bob.chat({ id: annId }, "told");
  await bob.chat({ id: bobId }, "a secret");
  await ann.chat({ groupid: group }, "to all");
  await bob.chat({ groupid: other }, "of others");
  await ann.react(answer.messageid, "👍");
  await bob.react(messageid, "🎉");
  await ann.report(answer.messageid, "rude");
  await ann.invite();
  await bob.kick(other, annId, { ban: true });
  await bob.block(annId);
  await ann.block(bobId);
  await ann.profile({ about: "a dog" });
  await db.query(`insert into push (userid, device, endpoint, p256dh, auth, text) values (${annId}, 7, 'https://push.example.org/', 'p', 'a', 0)`);

  const response = await files.fetch("/export", bearing(token));
  assertEquals([response.status, response.headers.get("content-disposition")], [200, 'attachment; filename="natter-export.jsonl"']);
  const lines = linesOf(await response.text());
  assertEquals(lines.at(-1), { what: "end" });
  for (const [table, what] of Object.entries(TOLD)) assert(lines.some((line) => line.what === what), `${what} (${table})`);
  const tables = await db.query(
    db.kind === "sqlite"
      ? "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' and name not like 'search_%' and name <> 'search' and name <> 'filed'"
      : "select table_name as name from information_schema.tables where table_schema = database()",
  );
  for (const { name } of tables) assert(String(name) in TOLD || String(name) in UNTOLD, `what of ${name} is a user's, and is it told?`);
  const of = (what: string) => lines.filter((line) => line.what === what);
  assertEquals(of("user").map(({ id, about }) => [id, about]), [[annId, "a dog"]]);
  assertEquals(of("message").map(({ msg }) => msg), ["hello", "told", "to all"]);
  assertEquals(of("reaction"), [{ what: "reaction", messageid: answer.messageid, emoji: "👍" }]);
  assertEquals(of("file").map(({ name, size, messageid }) => [name, size, messageid]), [["dog.txt", 4, messageid]]);
  assertEquals(of("push"), [{ what: "push", device: 7, endpoint: "https://push.example.org/", text: false }]);
  assertEquals(of("ban"), [{ what: "ban", groupid: other }]);
  assertEquals(of("report").map(({ msg, reason, sender }) => [msg, reason, sender]), [["told", "rude", bobId]]);
  assertEquals(of("invitation").map(({ inviter, uses }) => [inviter, uses]), [[annId, 1]]);
  assert(!JSON.stringify(lines).includes(token));

  const { code, stdout, stderr } = await run(["export", String(annId), "--database", db.url]);
  assertEquals([code, stderr, linesOf(stdout)], [0, "", lines]);
});

databaseTest(
  "export: many messages among those of others, none twice and none left out; what breaks off can be told, and is no error",
  async (db) => {
    await using log = await CapturedLog.start();
    const watch = new StoreWatch();
    await using files = await FileServer.start(db, { limits: "off" }, { store: watch.wrap });
    const [ann, bob] = files.users as [TestUser, TestUser];
    const store = await db.open();
    const texts: string[] = [];
    for (let i = 0; i < 2 * PART_ROWS + 300; i += 100) {
      await store.append(Array.from({ length: 100 }, (_, k) => {
        const own = (i + k) % 7 === 0, msg = own ? `${i + k} ${"x".repeat((i + k) % 91 === 0 ? 50_000 : 10)}` : "of others";
        if (own) texts.push(msg);
        return { sender: own ? ann.id : bob.id, toid: bob.id, msg, ts: i + k };
      }));
    }
    await store.close();
    const ask = () => files.fetch("/export", bearing(ann.token));
    const lines = linesOf(await (await ask()).text());
    assertEquals(lines.filter(({ what }) => what === "message").map(({ msg }) => msg), texts);
    assertEquals(lines.at(-1), { what: "end" });

    // HTTP/1.0 has no pieces: the end of the connection is the end, and the last line tells whether it is.
    await using old = await HttpClient.connect(files.port);
    old.write(`GET /export HTTP/1.0\r\nauthorization: Bearer ${ann.token}\r\n\r\n`);
    await old.ended;
    assert(old.unread > texts.join("").length);

    // The database goes in the middle.
    let calls = 0;
    watch.around = (call) => call.name === "exported" && ++calls === 2 ? Promise.reject(new StoreUnavailable("away")) : call.run();
    const broken = await ask();
    assertEquals(broken.status, 200);
    let failed = false;
    await broken.text().catch(() => failed = true);
    assert(failed, "it was told as whole");
    await log.until("an HTTP answer broke off", 1);

    // Who goes in the middle, and a server that stops in the middle: nobody goes on.
    watch.around = (call) => call.run();
    const gone = await ask();
    await gone.body!.cancel();
    await eventually(async () => {
      watch.forget();
      await watch.quiet();
      return !watch.made.includes("exported");
    }, "nobody goes on");
    await log.until("an HTTP answer broke off", 2);

    // And who is gone while it is looked for more.
    const looked = Promise.withResolvers<void>(), goOn = Promise.withResolvers<void>();
    let asked = 0;
    watch.around = async (call) => {
      if (call.name === "exported" && ++asked === 2) {
        looked.resolve();
        await goOn.promise;
      }
      return await call.run();
    };
    const client = await HttpClient.connect(files.port);
    client.write(`GET /export HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ann.token}\r\n\r\n`);
    await looked.promise;
    client.socket.resetAndDestroy();
    await client.ended;
    goOn.resolve();
    await log.until("an HTTP answer broke off", 3);

    // The token ends in the middle, as that of a device that is removed.
    let looks = 0;
    watch.around = async (call) => {
      if (call.name === "exported" && call.args[0] === bob.id && ++looks === 1) await db.query(`delete from token where userid = ${bob.id}`);
      return await call.run();
    };
    await assertRejects(async () => await (await files.fetch("/export", bearing(bob.token))).text());
    assertEquals(looks, 1);
    await log.until("an HTTP answer broke off", 4);
    assertEquals(log.records.filter(({ level }) => level === "error").map(({ message }) => message), []);
  },
);

Deno.test("export: who reads slowly is read for slowly, and gets all of it", async () => {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using files = await FileServer.start(db, { limits: "off" }, { store: watch.wrap });
  const [ann] = files.users as [TestUser];
  const store = await db.open();
  const parts = 60, msg = "x".repeat(PART_BYTES + 1);
  for (let i = 0; i < parts; i += 10) {
    await store.append(Array.from({ length: 10 }, () => ({ sender: ann.id, toid: ann.id, msg, ts: 0 })));
  }
  await store.close();
  const looks = () => watch.made.filter((name) => name === "exported").length;
  using reader = await Deno.connect({ port: files.port });
  const asked = `GET /export HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${ann.token}\r\n\r\n`;
  await reader.write(new TextEncoder().encode(asked));
  await eventually(() => Promise.resolve(looks() > 0), "it is looked");
  // What fits between server and client is looked for, and no more.
  for (let before = -1; before !== looks();) {
    before = looks();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  assert(looks() < parts / 2, `${looks()} looks for nobody`);
  let bytes = 0, end = "";
  for await (const chunk of reader.readable) {
    bytes += chunk.length;
    end = (end + new TextDecoder().decode(chunk)).slice(-30);
  }
  assert(bytes > parts * PART_BYTES, String(bytes));
  // The last piece of all, behind which nothing is missing.
  assertMatch(end, /\{"what":"end"\}\n\r\n0\r\n\r\n$/);
});

databaseTest("export: only with a token, and not too often", async (db) => {
  await using files = await FileServer.start(db);
  const { token } = files.users[0]!;
  for (const headers of [undefined, { authorization: "Bearer x" }]) {
    const response = await files.fetch("/export", headers && { headers });
    await response.body?.cancel();
    assertEquals([response.status, response.headers.get("www-authenticate")], [401, "Bearer"]);
  }
  const head = await files.fetch("/export", { method: "HEAD", ...bearing(token) });
  assertEquals([head.status, await head.text()], [200, ""]);
  for (let i = 0; i < 2; i++) assertMatch(await (await exportData({ url: files.url, token })).text(), /\{"what":"end"\}\n$/);
  const often = await files.fetch("/export", bearing(token));
  await often.body?.cancel();
  assertEquals(often.status, 429);
  const after = Number(often.headers.get("retry-after"));
  assert(after > 600 && after <= 1200, String(after));
});

databaseTest("export: conversations that are gone between two looks into the database do not end the list of those behind them", async (db) => {
  const store = await db.open();
  const [ann] = await addUsers(store, "ann") as [number];
  for (let i = 0; i < 101; i++) await store.createGroup(ann, `g${i}`, `g${i}`, "");
  let pages = 0;
  // As if all of the first page had been left while it was read.
  const talks: Store["talks"] = async (...args) => {
    const page = await store.talks(...args);
    return pages++ === 0 ? { ...page, talks: [] } : page;
  };
  const account = (await store.findUser({ id: ann }))!;
  const told: string[] = [];
  for await (const record of exportOf(new Proxy(store, { get: (of, name) => name === "talks" ? talks : Reflect.get(of, name) }), account)) {
    const { what, name } = (record ?? {}) as { what: string; name: string };
    if (what === "conversation") told.push(name);
  }
  assertEquals([pages, told], [2, ["g100"]]);
  await store.close();
});

Deno.test("export: however long nothing of the user's is found, what is sent does not stand still", async () => {
  await using db = await testDatabase("sqlite");
  await (await db.open()).close();
  const [ann] = await makeUsers(db, 1) as [TestUser];
  const store = await db.open();
  using clock = clockByHand();
  let looks = 0;
  // Each look waits for a slow disk, and rests for longer than that.
  const exported: Store["exported"] = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return { messages: [], reactions: [], next: ++looks < 60 ? looks : undefined };
  };
  const slow = new Proxy(store, { get: (of, name) => name === "exported" ? exported : Reflect.get(of, name) });
  const exports = new Exports({ store: slow, limits: { export: () => 0 } as unknown as Limits, time: new TrustedTime() });
  const { body } = await exports.routes()[0]!.answer({ headers: { authorization: `Bearer ${ann.token}` } } as HttpRequest) as { body: Streamed };
  let text = "", last = performance.now(), longest = 0, ended = false;
  void (async () => {
    for await (const piece of body.read()) {
      text += new TextDecoder().decode(piece);
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    ended = true;
  })();
  while (!ended) await clock.pass(1000);
  assert(looks === 60 && longest < 20_000, `${looks} looks, and nothing for ${longest} ms`);
  assertEquals(linesOf(text).map(({ what }) => what), ["user", "device", "end"]);
  await store.close();
});
