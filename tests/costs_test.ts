// What a request may cost: every one at its worst, in what is as large as it may be. No turn of the event loop above 20 ms, no answer above 256 KiB.
//
// Whoever adds a request adds a row; without one this does not compile, and fails.

import { createECDH, randomBytes } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import { laterTurn } from "../src/async/loop.ts";
import { Msg, type RequestId, schemas } from "../src/wire/requests.ts";
import { databaseTest, type TestDatabase } from "./support/databases.ts";
import { loginDevice, makeDevices, type TestDevice } from "./support/devices.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";
import { indexed } from "./support/stores.ts";
import { giveTokens } from "./support/tokens.ts";
import { Turns } from "./support/turns.ts";

/** No turn of the loop is longer (ms). */
const TURN = 20;
/** No answer is longer (bytes). */
const ANSWER = 256 * 1024;
/** How often each is sent, and measured until it was short: what else a machine does only makes a turn longer, so the shortest of the longest counts; and how often at most. */
const LEAST_ROUNDS = 2, ROUNDS = 12;

const FRIENDS = 400, GROUPS = 400, INVITED = 50, MEMBERS = 2000, ONLINE = 400, WAITING = 1000;
const LINE = 65_536;
/** As long as a name may be, in characters of four bytes. */
const long = (text: string) => "𠀋".repeat(50 - text.length) + text;

/** As large as the limits let it be. */
interface World {
  /** Has all the friends, groups, blocks and devices that one may have. */
  me: TestUser;
  /** Has nothing but a place in the large group. */
  other: TestUser;
  /** Made the large group. */
  founder: TestUser;
  /** Are in the large group, one for each round; they go. */
  doomedMembers: TestUser[];
  /** Come into the large group, one in each round, and go. */
  guests: TestUser[];
  /** A device with a name. */
  phone: TestDevice;
  /** Not in my lists, one for each round. */
  strangers: TestUser[];
  /** Is in sixty groups of a hundred members each, and has no friends. */
  member: TestUser;
  /** Of 2,000 members, of whom 400 are online. */
  large: number;
  /** Of nobody else, one for each round. */
  own: number[];
  /** With many messages waiting, one for each round. */
  behind: TestUser[];
  /** A note of mine of many, in their middle. */
  middle: number;
  /** A message of mine to the large group, with many different reactions. */
  said: number;
  /** Others of mine, one for each round. */
  doomed: number[];
  /** Notes of many different words, one for each round. */
  wordy: number[];
}

/** Whose client sends it: `guest`, `stranger` and `behind` are others in each round, `nobody` is not logged in. */
type Who = "me" | "phone" | "other" | "founder" | "guest" | "behind" | "stranger" | "nobody";

/** What is sent, in round `i`; each of several is measured by itself. */
type Worst = (world: World, i: number) => { [field: string]: unknown; by?: Who }[];

const text = "x".repeat(LINE - 500);
/** Different words, no two messages with the same ones: as many as a line holds; and characters, of which each is a word, and each two. */
const words = (i: number) => Array.from({ length: 5000 }, (_, k) => `${(1_000_003 * (i + 1) + 7919 * k).toString(36)}`).join(" ") + " zzz";
const characters = (i: number) => Array.from({ length: 4000 }, (_, k) => String.fromCodePoint(0x4e00 + (k * (2 * i + 1)) % 20_900)).join("");

/** Of a browser's subscription. */
const keys = { p256dh: createECDH("prime256v1").generateKeys("base64url"), auth: randomBytes(16).toString("base64url") };

const rows: Record<RequestId, Worst> = {
  [Msg.LOGIN]: ({ me, member, behind }, i) => [
    ...[me, member].flatMap(({ id, token }) => [{}, { proto: 2 }, { proto: 3 }].map((proto) => ({ by: "nobody" as const, id, token, ...proto }))),
    { by: "nobody", id: behind[i]!.id, token: behind[i]!.token, proto: 3 },
    { by: "nobody", name: "nobody", password: "wrong", proto: 3 },
  ],
  [Msg.LOGOUT]: () => [{ by: "stranger" }],
  [Msg.REGISTER]: (_, i) => [{ by: "nobody", name: long(`new${i}`), password: "x".repeat(256) }],
  [Msg.CHAT]: ({ me, other }) => [{ toid: other.id, msg: text }, { toname: other.name, msg: text }, { toid: me.id, msg: "\u0001".repeat(10_000) }],
  [Msg.ADD_FRIEND]: ({ strangers }, i) => [{ by: "other", friendid: strangers[i]!.id }, { friendid: strangers[i]!.id }],
  [Msg.CREATE_GROUP]: (_, i) => [
    { by: "other", groupname: long(`made${i}`), groupdesc: "𠀋".repeat(200) },
    { by: "other", groupname: long(`made${i}`), groupdesc: "𠀋".repeat(200), private: true },
  ],
  [Msg.JOIN_GROUP]: ({ large, own }, i) => [{ groupid: large }, { by: "other", groupid: own[i] }, { by: "guest", groupid: large }],
  [Msg.GROUP_CHAT]: ({ large }) => [{ groupid: large, msg: "x" }, { groupid: large, msg: text }],
  [Msg.RECEIVED]: () => [{ by: "behind", seq: WAITING }],
  [Msg.PING]: () => [{}],
  [Msg.PONG]: () => [{}],
  [Msg.HISTORY]: ({ me, other, large, middle }) => [
    { toid: other.id, limit: 100 },
    { toid: me.id, limit: 100 },
    { groupid: large, limit: 100 },
    { toid: me.id, limit: 100, around: middle },
    { toid: me.id, limit: 100, after: 1 },
  ],
  [Msg.CONTACTS]: () => [{}],
  [Msg.REMOVE_FRIEND]: ({ strangers }, i) => [{ by: "other", friendid: strangers[i]!.id }],
  [Msg.LEAVE_GROUP]: ({ own, large }, i) => [{ groupid: own[i] }, { by: "guest", groupid: large }],
  [Msg.SIGNAL]: ({ large, other }) => [{ groupid: large, msg: "𠀋".repeat(1024) }, { toid: other.id, msg: "𠀋".repeat(1024) }],
  [Msg.CHANGE_PASSWORD]: () => [{ old: "wrong", new: "x".repeat(256) }],
  [Msg.BLOCK]: ({ strangers }, i) => [{ by: "other", userid: strangers[i]!.id }, { userid: strangers[i]!.id }],
  [Msg.UNBLOCK]: ({ strangers }, i) => [{ by: "other", userid: strangers[i]!.id }],
  [Msg.EDIT]: (
    { middle, said, wordy },
    i,
  ) => [
    { messageid: middle, msg: `${i} ${text}` },
    { messageid: said, msg: `${i} ${text}` },
    { messageid: wordy[i], msg: words(i) },
    { messageid: wordy[i], msg: characters(i) },
  ],
  [Msg.DELETE]: ({ doomed, wordy }, i) => [{ messageid: doomed[i] }, { messageid: wordy[i] }],
  [Msg.REACT]: ({ said }, i) => [
    // One of twenty; the first round puts it there, the next takes it away.
    { messageid: said, emoji: "👍", off: i % 2 === 1 },
    { by: "other", messageid: said, emoji: "👎", off: i % 2 === 1 },
  ],
  [Msg.READ]: (
    { large, other },
    i,
  ) => [{ groupid: large, messageid: 2 ** 50 }, { by: "other", groupid: large, messageid: i + 1 }, { toid: other.id, messageid: 1 }],
  [Msg.CONVERSATIONS]: () => [{ limit: 100 }, { limit: 1 }, { limit: 100, beforegroup: 1 }],
  [Msg.MEMBERS]: ({ large }) => [{ groupid: large, limit: 200 }, { by: "founder", groupid: large, limit: 200, banned: true }],
  [Msg.DEVICES]: () => [{}],
  [Msg.REMOVE_DEVICE]: (_, i) => [{ device: i + 1 }],
  [Msg.UPDATE_GROUP]: ({ large }, i) => [
    { by: "founder", groupid: large, groupname: long(`large${i}`), groupdesc: "𠀋".repeat(198) + (10 + i) },
    { by: "founder", groupid: large, private: i % 2 === 0 },
  ],
  [Msg.SET_ROLE]: ({ large, other }, i) => [{ by: "founder", groupid: large, userid: other.id, role: i % 2 === 0 ? "moderator" : "normal" }],
  [Msg.KICK]: ({ large, doomedMembers }, i) => [{ by: "founder", groupid: large, userid: doomedMembers[i]!.id, ban: true }],
  [Msg.UNBAN]: ({ large, doomedMembers }, i) => [{ by: "founder", groupid: large, userid: doomedMembers[i]!.id }],
  [Msg.INVITE]: ({ large, strangers }, i) => [
    { by: "other", uses: 1000, days: 30 },
    { by: "founder", groupid: large, userid: strangers[i]!.id },
    { by: "founder", groupid: large, uses: 1000, days: 30 },
  ],
  [Msg.REVOKE]: ({ large }) => [{ by: "founder", groupid: large }],
  [Msg.USERS]: ({ strangers }) => [
    { ids: Array.from({ length: 100 }, (_, i) => i + 1) },
    { names: Array.from({ length: 100 }, (_, i) => strangers[i % ROUNDS]!.name) },
    { find: "𠀋𠀋" },
  ],
  [Msg.SEARCH]: ({ other, large }) => [
    { text: "x".repeat(100), limit: 50 },
    { text: "x", toid: other.id, limit: 50 },
    { text: "zzz", limit: 50 },
    { text: "a b c d e f g h i j k l m", groupid: large, limit: 50 },
  ],
  [Msg.PROFILE]: () => [{ about: "𠀋".repeat(200), receipts: true }],
  [Msg.REPORT]: (_, i) => [{ messageid: i + 1, reason: "𠀋".repeat(500) }],
  // Of an account that is deleted the rest goes in steps (deleted_accounts.ts).
  [Msg.DELETE_ACCOUNT]: () => [{ by: "stranger", password: "x".repeat(256), messages: true }],
  [Msg.PUSH]: (
    _,
    i,
  ) => [{ by: "phone", endpoint: `https://127.0.0.1/${"x".repeat(400)}${i}`, keys, text: true }, { by: "phone" }, { by: "phone", off: true }],
  [Msg.HOOK]: ({ large }, i) => [
    { by: "founder", groupid: large, name: long(`hook${i}`) },
    { by: "founder", groupid: large, name: long(`hook${i}`), off: true },
  ],
  [Msg.MUTE]: ({ large }) => [{ groupid: large, until: 5, pinned: true, archived: true }],
};

/** Fifty at a time. */
async function inParts<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += 50) await Promise.all(items.slice(i, i + 50).map(work));
}

async function build(db: TestDatabase, server: TestServer): Promise<World> {
  const store = await db.open();
  const named: TestUser[] = [];
  for (let i = 0; i < MEMBERS; i += 200) named.push(...await makeUsers(db, 200, "𠀋".repeat(43) + String.fromCharCode(97 + i / 200)));
  const [me, other, founder, member] = named as [TestUser, TestUser, TestUser, TestUser];
  const behind = await makeUsers(db, ROUNDS, "behind");
  const strangers = await makeUsers(db, ROUNDS, "stranger");
  const [phone] = await makeDevices(server, 1) as [TestDevice];
  const guests = await makeUsers(db, ROUNDS, "guest");
  const groups: number[] = [];
  // One place is left for the large one.
  await inParts(Array.from({ length: GROUPS - 1 }, (_, i) => long(`group${i}`)), async (name) => {
    const made = await store.createGroup(me.id, name, name, "𠀋".repeat(200)) as { groupid: number };
    groups.push(made.groupid);
  });
  const large = await store.createGroup(founder.id, "large", "large", "") as { groupid: number };
  // As many as these one by one would take long.
  const join = (groups: readonly number[], users: readonly TestUser[]) =>
    db.query(`insert into groupuser (groupid, userid, grouprole, joined) select allgroup.id, user.id, 'normal', user.id + 1 from allgroup, user
      where allgroup.id in (${groups}) and user.id in (${users.map(({ id }) => id)})`);
  for (let i = 0; i < INVITED; i++) {
    const name = long(`invited${i}`), inviter = named[1000 + i]!;
    const { groupid } = await store.createGroup(inviter.id, name, name, "") as { groupid: number };
    const columns = "groupid, userid, inviter, uses, expires";
    await db.query(`insert into invite (${columns}) values (${groupid}, ${me.id}, ${inviter.id}, 1, ${Date.now() + 86_400_000})`);
  }
  await join([large.groupid], named.filter(({ id }) => id !== founder.id));
  await inParts(named.slice(3, 3 + FRIENDS), ({ id }) => store.addFriend(me.id, { id }));
  await inParts(named.slice(3 + FRIENDS, 3 + 2 * FRIENDS), ({ id }) => store.block(me.id, id, 1));
  // Clients of 0.1 are told members of each group.
  const own = groups.splice(0, ROUNDS);
  await join(groups.slice(0, 60), named.slice(3, 103));
  await db.query("update allgroup set count = (select count(*) from groupuser where groupid = allgroup.id)");
  const append = async (count: number, message: object) => {
    const batch = Array.from(
      { length: Math.min(count, 50) },
      (_, i) => ({ sender: me.id, ts: i, ...message }) as Parameters<typeof store.append>[0][0],
    );
    for (let i = 0; i < count; i += batch.length) await store.append(batch);
  };
  await append(100, { toid: other.id, msg: text });
  await append(100, { toid: me.id, msg: "\u0001".repeat(10_000) });
  for (let i = 0; i < ROUNDS; i++) await append(1, { toid: me.id, msg: words(100 + i) });
  for (const { id } of behind) await append(WAITING, { toid: id, msg: "how do you do? ".repeat(5) });
  for (let i = 0; i < 20; i++) await append(1, { groupid: large.groupid, msg: "to all" });
  const numbersOf = async (place: string) =>
    (await db.query(`select id from message where sender = ${me.id} and ${place} order by id`)).map(({ id }) => Number(id));
  const notes = await numbersOf(`toid = ${me.id}`);
  const middle = notes[50]!, wordy = notes.slice(100);
  const [said, ...doomed] = await numbersOf(`groupid = ${large.groupid}`) as [number, ...number[]];
  for (const emoji of "😀😁😂😃😄😅😆😇😈😉😊😋😌😍😎😏😐😑") {
    await store.act({ what: "react", by: me.id, messageid: said, at: 1, emoji, off: false });
  }
  const columns = "userid, device, name, created, confirmed_seq";
  for (let i = 1; i <= 20; i++) await db.query(`insert into device (${columns}) values (${me.id}, ${i}, '${"d".repeat(50)}', 1, 0)`);
  await indexed(store, 60_000);
  await store.close();
  // Who is online takes what comes, and says nothing.
  await inParts(named.slice(3 + 2 * FRIENDS, 3 + 2 * FRIENDS + ONLINE), async ({ id, token }) => {
    const conn = await Deno.connect({ port: server.port });
    conns.push(conn);
    await conn.write(new TextEncoder().encode(JSON.stringify({ msgid: 1, id, token, proto: 3 }) + "\n"));
    await conn.read(new Uint8Array(65_536));
  });
  // What waits for me and the other is confirmed.
  for (const [user, waiting] of [[me, 100 + ROUNDS], [other, 120]] as const) {
    await using client = (await server.client(user, { proto: 3 })).answerPings();
    await eventually(() => client.lines >= 1 + waiting, `${waiting} messages`);
    client.send({ msgid: 12, seq: waiting });
    client.send({ msgid: 3, id: user.id + 1, ref: 1 });
    await client.next((m) => m.ref === 1);
  }
  return {
    me,
    other,
    founder,
    doomedMembers: named.slice(-ROUNDS),
    guests,
    member,
    strangers,
    phone,
    large: large.groupid,
    own,
    behind,
    middle,
    said,
    doomed,
    wordy,
  };
}

const conns: Deno.Conn[] = [];
/** Of these a `ref` brings no answer. */
const UNANSWERED = new Set<number>([Msg.SIGNAL, Msg.RECEIVED, Msg.PONG]);

async function clientOf(server: TestServer, world: World, by: Who, i: number): Promise<RawClient> {
  if (by === "nobody") return await server.connect();
  const others = { guest: world.guests, stranger: world.strangers, behind: world.behind };
  if (by === "phone") return (await loginDevice(server, world.phone)).client.answerPings();
  const user = by === "guest" || by === "stranger" || by === "behind" ? others[by][i]! : world[by];
  // What a stranger does may end its token.
  if (by === "stranger") [user.token] = await giveTokens(server.db.url, [user.id]) as [string];
  const client = (await server.client(user, { proto: 3 })).answerPings();
  if (by === "behind") await eventually(() => client.lines > WAITING, "what waits");
  client.backlog.length = 0;
  return client;
}

/** How long the longest turn was until all of it is done, and how long the longest line. */
async function measure(client: RawClient, msgid: number, request: object): Promise<{ turn: number; answer: number }> {
  const turns = new Turns();
  const said = await send(client, msgid, request);
  // And what follows from it.
  for (const until = performance.now() + 30; performance.now() < until;) await laterTurn();
  const turn = turns.stop();
  return { turn, answer: longest(client, said) };
}

/** How long the longest line was, where it is known already that its turns can be short. */
async function measureAnswer(client: RawClient, msgid: number, request: object): Promise<{ turn: number; answer: number }> {
  const said = await send(client, msgid, request);
  // Behind what else is said to it.
  await client.request({ msgid: 13 });
  return { turn: Infinity, answer: longest(client, said) };
}

async function send(client: RawClient, msgid: number, request: object): Promise<Message[]> {
  client.send({ ...request, msgid, ref: "r" });
  // Turns are what is measured, not how long a busy machine's database takes for 5,000 words.
  return UNANSWERED.has(msgid) ? [] : [await client.next((m) => m.ref === "r", 60_000)];
}

function longest(client: RawClient, said: Message[]): number {
  said.push(...client.backlog.splice(0));
  assert(said.every(({ errno = 0 }) => errno !== 13 && errno !== 12 && errno !== 20), JSON.stringify(said).slice(0, 300));
  return Math.max(0, ...said.map((m) => new TextEncoder().encode(JSON.stringify(m)).length));
}

databaseTest("costs: every request at its worst: no turn of the event loop above 20 ms, no answer above 256 KiB", async (db) => {
  await using server = await startServer(db, { limits: "off", directory: "on", push: "any", "max-connections": 5000, "max-group": 2 * MEMBERS });
  const world = await build(db, server);
  try {
    assertEquals(Object.keys(rows).map(Number), Object.keys(schemas).map(Number).sort((a, b) => a - b), "a row for each request");
    const worst: { row: string; turn: number; answer: number }[] = [];
    for (const [name, msgid] of Object.entries(Msg)) {
      const row = rows[msgid as RequestId];
      if (!row) continue;
      for (let variant = 0; variant < row(world, 0).length; variant++) {
        const rounds: { turn: number; answer: number }[] = [];
        for (let i = 0; i < LEAST_ROUNDS || i < ROUNDS && rounds.every(({ turn }) => turn >= TURN); i++) {
          const { by, ...request } = row(world, i)[variant]!;
          await using client = await clientOf(server, world, by ?? "me", i);
          // One that is short is enough; the next one is sent for its answer.
          const short = rounds.some(({ turn }) => turn < TURN);
          rounds.push(await (short ? measureAnswer : measure)(client, msgid, request));
        }
        const turn = Math.min(...rounds.map((r) => r.turn));
        worst.push({ row: `${name} ${variant}`, turn, answer: Math.max(...rounds.map((r) => r.answer)) });
      }
    }
    if (Deno.env.get("NATTER_TEST_COSTS")) console.table(worst);
    for (const { row, turn, answer } of worst) {
      assert(turn < TURN, `${row}: a turn of ${turn.toFixed(1)} ms`);
      assert(answer <= ANSWER, `${row}: an answer of ${answer} bytes`);
    }
  } finally {
    for (const conn of conns.splice(0)) conn.close();
  }
});
