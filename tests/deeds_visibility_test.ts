// Nobody can edit, delete, react to, answer or even notice what they may not see: who × what × where × in which state, all cells by table.

import { assertEquals } from "@std/assert";
import { assertErrno, nothingElse } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";

/** The author wrote to the other one, to themselves, or to a group that the creator made and the other one is in. */
type Where = "direct" | "note" | "group";
const ROLES = ["author", "other", "creator", "stranger"] as const;
type Role = (typeof ROLES)[number];

/** What is answered to EDIT, DELETE, REACT, and to a text with `reply`. */
type Answers = [edit: number, remove: number, react: number, reply: number];

interface Row {
  where: Where;
  /** Who tries. */
  who: Role;
  /** What happened since the message was written. */
  state: string;
  happens?: (cast: Cast) => Promise<unknown>;
  /** HISTORY shows it to them. */
  sees: boolean;
  answers: Answers;
  /** The same if the author has deleted it. */
  stone: Answers;
  /** Who is told of what is done; each has one device. */
  told: Role[];
}

interface Cast {
  users: Record<Role, TestUser>;
  clients: Record<Role, RawClient>;
  groupid: number;
}

const blocks = (who: Role, whom: Role) => async ({ users, clients }: Cast) =>
  assertErrno(await clients[who].request({ msgid: 23, userid: users[whom].id }), 0);
const leaves = (...roles: Role[]) => async ({ clients, groupid }: Cast) => {
  for (const who of roles) assertErrno(await clients[who].request({ msgid: 19, groupid }), 0);
};
const joins = (who: Role) => async ({ clients, groupid }: Cast) => assertErrno(await clients[who].request({ msgid: 9, groupid }), 0);

const own: Answers = [0, 0, 0, 0], ownStone: Answers = [26, 0, 26, 0];
const others: Answers = [22, 22, 0, 0], othersStone: Answers = [22, 22, 26, 0];
const none: Answers = [26, 26, 26, 26];

const rows: Row[] = [
  { where: "direct", who: "author", state: "", sees: true, answers: own, stone: ownStone, told: ["other"] },
  { where: "direct", who: "other", state: "", sees: true, answers: others, stone: othersStone, told: ["author"] },
  { where: "direct", who: "stranger", state: "", sees: false, answers: none, stone: none, told: [] },
  { where: "direct", who: "creator", state: "", sees: false, answers: none, stone: none, told: [] },
  {
    where: "direct",
    who: "author",
    state: "the other one blocks the author",
    happens: blocks("other", "author"),
    sees: true,
    answers: [23, 0, 23, 23],
    stone: [26, 0, 26, 23],
    told: ["other"],
  },
  {
    where: "direct",
    who: "other",
    state: "the other one blocks the author",
    happens: blocks("other", "author"),
    sees: true,
    answers: others,
    stone: othersStone,
    told: ["author"],
  },
  {
    where: "direct",
    who: "author",
    state: "the author blocks the other one",
    happens: blocks("author", "other"),
    sees: true,
    answers: own,
    stone: ownStone,
    told: ["other"],
  },
  {
    where: "direct",
    who: "other",
    state: "the author blocks the other one",
    happens: blocks("author", "other"),
    sees: true,
    answers: [22, 22, 23, 23],
    stone: [22, 22, 26, 23],
    told: [],
  },
  { where: "note", who: "author", state: "", sees: true, answers: own, stone: ownStone, told: ["author"] },
  { where: "note", who: "other", state: "", sees: false, answers: none, stone: none, told: [] },
  { where: "group", who: "author", state: "", sees: true, answers: own, stone: ownStone, told: ["other", "creator"] },
  { where: "group", who: "other", state: "", sees: true, answers: others, stone: othersStone, told: ["author", "creator"] },
  { where: "group", who: "creator", state: "", sees: true, answers: [22, 0, 0, 0], stone: [22, 0, 26, 0], told: ["author", "other"] },
  { where: "group", who: "stranger", state: "never there", sees: false, answers: none, stone: none, told: [] },
  {
    where: "group",
    who: "stranger",
    state: "joined later",
    happens: joins("stranger"),
    sees: true,
    answers: others,
    stone: othersStone,
    told: ["author", "other", "creator"],
  },
  {
    where: "group",
    who: "author",
    state: "the author left",
    happens: leaves("author"),
    sees: false,
    answers: [26, 0, 26, 26],
    stone: [26, 0, 26, 26],
    told: ["other", "creator"],
  },
  { where: "group", who: "other", state: "left", happens: leaves("other"), sees: false, answers: none, stone: none, told: [] },
  {
    where: "group",
    who: "other",
    state: "the author left",
    happens: leaves("author"),
    sees: true,
    answers: others,
    stone: othersStone,
    told: ["creator"],
  },
  {
    where: "group",
    who: "other",
    state: "has become the creator",
    happens: async (cast) => {
      await leaves("creator", "author")(cast);
    },
    sees: true,
    answers: [22, 0, 0, 0],
    stone: [22, 0, 26, 0],
    told: [],
  },
  { where: "group", who: "creator", state: "left", happens: leaves("creator"), sees: false, answers: none, stone: none, told: [] },
  {
    where: "group",
    who: "other",
    state: "the author blocks them",
    happens: blocks("author", "other"),
    sees: true,
    answers: others,
    stone: othersStone,
    told: ["author", "creator"],
  },
  {
    where: "group",
    who: "author",
    state: "the other one blocks the author",
    happens: blocks("other", "author"),
    sees: true,
    answers: own,
    stone: ownStone,
    told: ["other", "creator"],
  },
  {
    where: "group",
    who: "author",
    state: "the group closed",
    happens: leaves("creator", "author", "other"),
    sees: false,
    answers: [26, 0, 26, 17],
    stone: [26, 0, 26, 17],
    told: [],
  },
  {
    where: "group",
    who: "other",
    state: "the group closed",
    happens: leaves("creator", "author", "other"),
    sees: false,
    answers: [26, 26, 26, 17],
    stone: [26, 26, 26, 17],
    told: [],
  },
];

/** The requests of {@linkcode Answers}, each about a message of its own. */
function attempts({ where, who }: Row, { users, groupid }: Cast, messages: readonly number[]): object[] {
  const [edited, removed, reacted, answered] = messages;
  const peer = where === "note" ? "author" : who === "author" ? "other" : "author";
  const text = where === "group" ? { msgid: 10, groupid } : { msgid: 6, toid: users[peer].id };
  return [
    { msgid: 25, messageid: edited, msg: "changed" },
    { msgid: 26, messageid: removed },
    { msgid: 27, messageid: reacted, emoji: "👍" },
    { ...text, msg: "an answer", reply: answered },
  ];
}

async function tryRow(row: Row, cast: Cast): Promise<void> {
  const { where, who, state, sees, happens } = row;
  const { users, clients, groupid } = cast;
  const say = where === "group" ? { msgid: 10, groupid } : { msgid: 6, toid: users[where === "note" ? "author" : "other"].id };
  const write = async () => (await clients.author.request({ ...say, msg: "a secret" })).messageid!;
  const fresh = [await write(), await write(), await write(), await write()];
  const stones = [await write(), await write(), await write(), await write()];
  for (const messageid of stones) assertErrno(await clients.author.request({ msgid: 26, messageid }), 0);
  await happens?.(cast);
  for (const role of ROLES) {
    await clients[role].request({ msgid: 13 });
    clients[role].backlog.length = 0;
  }
  const place = where === "group" ? { groupid } : { toid: users[who === "author" ? (where === "note" ? "author" : "other") : "author"].id };
  const seen = ((await clients[who].request({ msgid: 16, ...place })).messages ?? []) as Message[];
  assertEquals(fresh.some((id) => seen.some(({ messageid }) => messageid === id)), sees, "HISTORY");
  for (const [messages, answers, what] of [[stones, row.stone, "stones"], [fresh, row.answers, "messages"]] as const) {
    const requests = attempts(row, cast, messages);
    const got: (number | undefined)[] = [];
    for (const request of requests) got.push((await clients[who].request(request)).errno);
    assertEquals(got, answers, `${what}: ${where}, ${who}, ${state}`);
  }
  // Those who may see it are told of what was done, and nobody else.
  const done = row.answers.slice(0, 3).flatMap((errno, i) => errno === 0 ? [25 + i] : []);
  const deeds = ({ msgid }: Message) => msgid >= 25 && msgid <= 27;
  for (const role of ROLES) {
    const told: number[] = [];
    for (const _ of row.told.includes(role) ? done : []) told.push((await clients[role].next(deeds)).msgid);
    assertEquals(told, row.told.includes(role) ? done : [], `${role} is told`);
    await nothingElse(clients[role], (m) => deeds(m) || m.msgid === 6 && !(where !== "group" && row.answers[3] === 0));
  }
}

databaseTest("deeds: who may do what to which message, in which state, and who is told of it: all cells", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const users = await makeUsers(db, ROLES.length * rows.length) as TestUser[];
  for (const [i, row] of rows.entries()) {
    const cast = { users: {}, clients: {} } as Cast;
    for (const [j, role] of ROLES.entries()) {
      cast.users[role] = users[i * ROLES.length + j]!;
      cast.clients[role] = await s.client(cast.users[role], { proto: 3 });
    }
    const { creator, author, other } = cast.clients;
    cast.groupid = (await creator.request({ msgid: 8, groupname: `g${i}`, groupdesc: "" })).groupid!;
    for (const client of [author, other]) assertErrno(await client.request({ msgid: 9, groupid: cast.groupid }), 0);
    try {
      await tryRow(row, cast);
    } catch (error) {
      throw new Error(`${row.where}, ${row.who}, ${row.state || "as it is"}`, { cause: error });
    } finally {
      for (const role of ROLES) await cast.clients[role].close();
    }
  }
});
