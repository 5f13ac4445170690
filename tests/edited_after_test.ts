// Nothing of a group reaches who has left it, from that commit on: neither what a message that still waits for them was made to say after.

import { assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno, upTo } from "./support/chat.ts";
import { databaseTest, type TestDatabase, waitingDatabaseTest } from "./support/databases.ts";
import { startNode, waitingClusterTests } from "./support/nodes.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";

const inLog = (m: Message) => m.seq !== undefined;

async function ok(client: RawClient, request: { msgid: number; [field: string]: unknown }): Promise<Message> {
  const answer = await client.request(request);
  assertErrno(answer, 0, `${JSON.stringify(request)}: ${JSON.stringify(answer)}`);
  return answer;
}

/** What an entry of the log says, as far as it concerns this. */
function said({ msgid, messageid, msg, edited, deleted, reactions, what }: Message): unknown[] {
  return msgid === 28 ? [msgid, what] : [msgid, messageid, msg, edited !== undefined, deleted, reactions];
}

/** How somebody goes: by another's doing, or their own on another device. */
const ways = {
  kick: (t: Cast) => ok(t.ann, { msgid: 37, groupid: t.groupid, userid: t.gone.id }),
  ban: (t: Cast) => ok(t.ann, { msgid: 37, groupid: t.groupid, userid: t.gone.id, ban: true }),
  leave: async (t: Cast) => {
    await using other = await t.far.client(t.gone, { proto: 3 });
    await ok(other, { msgid: 19, groupid: t.groupid });
  },
};

const WAYS = Object.keys(ways) as (keyof typeof ways)[];

interface Cast {
  ann: RawClient;
  groupid: number;
  gone: TestUser;
  far: TestServer;
}

/** `held`: the reading of the log is begun before all that, and made after. */
async function editedAfter(db: TestDatabase, near: TestServer, far: TestServer, watch: StoreWatch, way: keyof typeof ways): Promise<void> {
  const held = way !== "leave";
  const [user, other, gone] = await makeUsers(db, 3, `${way}${held}`) as [TestUser, TestUser, TestUser];
  await using ann = await near.client(user, { proto: 3 });
  await using bob = await far.client(other, { proto: 3 });
  const groupid = (await ok(ann, { msgid: 8, groupname: `g-${crypto.randomUUID().slice(0, 8)}`, groupdesc: "", private: true })).groupid!;
  const { code } = await ok(ann, { msgid: 39, groupid, uses: 5 });
  await ok(bob, { msgid: 9, code });
  await using entering = await near.client(gone, { proto: 3 });
  await ok(entering, { msgid: 9, code });
  await entering.next((m) => m.msgid === 28);
  await entering.close();

  const say = async (msg: string) => (await ok(bob, { msgid: 10, groupid, msg })).messageid!;
  const edit = (messageid: number, msg: string) => ok(bob, { msgid: 25, messageid, msg });
  const [before, both, after, never] = [await say("one"), await say("two"), await say("three"), await say("four")];
  await edit(before, "one, edited");
  await edit(both, "two, edited");
  await ok(ann, { msgid: 27, messageid: never, emoji: "👍" });
  const reading = Promise.withResolvers<void>(), goOn = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "log" && call.args[0] === gone.id) {
      reading.resolve();
      await goOn.promise;
    }
    return await call.run();
  };
  let client: RawClient | undefined;
  if (held) {
    client = await near.client(gone, { proto: 3 });
    await reading.promise;
  }
  await ways[way]({ ann, groupid, gone, far });
  await edit(both, "two, a secret");
  await edit(after, "three, a secret");
  await ok(bob, { msgid: 27, messageid: never, emoji: "🎉" });
  await edit(before, "one, a secret").then(() => edit(before, "one, edited"));
  goOn.resolve();
  watch.around = (call) => call.run();
  await using late = client ?? await near.client(gone, { proto: 3 });
  const stone = (msgid: number, messageid: number) => [msgid, messageid, undefined, false, true, undefined];
  const expected = [
    [28, "joined"],
    ...[before, both, after].map((messageid) => stone(10, messageid)),
    [10, never, "four", false, undefined, undefined],
    stone(25, before),
    stone(25, both),
    stone(27, never),
    [28, way === "leave" ? "left" : "kicked"],
  ];
  const entries: Message[] = [];
  while (entries.length < expected.length) entries.push(await late.next(inLog));
  assertEquals(entries.map(said), expected, way);
  assertEquals(entries.map(({ seq }) => seq), upTo(expected.length), way);
  assertErrno(await late.request({ msgid: 16, groupid }), 17);
  assertEquals((await ok(late, { msgid: 43, text: "secret" })).messages, []);
  if (way === "ban") return;
  // Else it would be asked whether it is still there, and does not say so.
  await late.close();
  // Who comes back sees no more of what was said before.
  await using again = await near.client(gone, { proto: 3 });
  await ok(again, { msgid: 9, code });
  const told: Message[] = [];
  while (told.length < expected.length) told.push(await again.next(inLog));
  assertEquals(told.map(said), expected, way);
}

waitingDatabaseTest(
  "edited after: who was put out, banned or has left is told a stone, and what was edited before as it was then",
  async (db, way) => {
    const watch = new StoreWatch();
    await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
    await editedAfter(db, s, s, watch, way);
  },
  WAYS,
);

const onTwoNodes = (way: keyof typeof ways) => async (db: TestDatabase) => {
  const watch = new StoreWatch();
  await using a = await startNode(db, "a", { store: watch.wrap }, { limits: "off" });
  await using b = await startNode(db, "b", {}, { limits: "off" });
  await editedAfter(db, a, b, watch, way);
};
waitingClusterTests("edited after: the same on two nodes", Object.fromEntries(WAYS.map((way) => [way, onTwoNodes(way)])));

databaseTest("edited after: what was edited before the going, and not after, is told as it is; so it is to who stays", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [user, gone] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using ann = await s.client(user, { proto: 3 });
  const { groupid } = await ok(ann, { msgid: 8, groupname: "g", groupdesc: "" });
  const entering = await s.client(gone, { proto: 3 });
  await ok(entering, { msgid: 9, groupid });
  await entering.next((m) => m.msgid === 28);
  await entering.close();
  const { messageid } = await ok(ann, { msgid: 10, groupid, msg: "one" });
  for (const msg of ["two", "three", "four"]) await ok(ann, { msgid: 25, messageid, msg });
  const expected = [
    [28, "joined"],
    [10, messageid, "four", true, undefined, undefined],
    ...Array(3).fill([25, messageid, "four", true, undefined, undefined]),
  ];
  const read = async (count: number) => {
    await using client = await s.client(gone, { proto: 3 });
    const entries: Message[] = [];
    while (entries.length < count) entries.push(await client.next(inLog));
    return entries.map(said);
  };
  assertEquals(await read(5), expected);
  await ok(ann, { msgid: 37, groupid, userid: gone.id });
  assertEquals(await read(6), [...expected, [28, "kicked"]]);
});
