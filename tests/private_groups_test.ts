// To who is not in it a private group does not exist: whatever names it is answered as for a number that was never given.

import { assert, assertEquals } from "@std/assert";
import { Msg, type RequestId, schemas } from "../src/wire/requests.ts";
import { assertErrno } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";

/** What may be asked of a group, of somebody in it, and of a message in it. */
type Asked = (groupid: number, userid: number, messageid: number) => Record<string, unknown>[];

/** Every request that can name a group, or what is in it. */
const requests: Partial<Record<RequestId, Asked>> = {
  [Msg.CHAT]: (_, toid, reply) => [{ toid, msg: "x", reply }],
  [Msg.JOIN_GROUP]: (groupid) => [{ groupid }, { groupid, groupname: "other" }],
  [Msg.GROUP_CHAT]: (
    groupid,
    _,
    reply,
  ) => [{ groupid, msg: "x" }, { groupid, msg: "x", mid: "m" }, { groupid, msg: "x", silent: true }, { groupid, msg: "x", reply }],
  [Msg.HISTORY]: (groupid, toid) => [{ groupid }, { groupid, limit: 1, after: 1 }, { groupid, toid, around: 1 }],
  [Msg.LEAVE_GROUP]: (groupid) => [{ groupid }],
  [Msg.SIGNAL]: (groupid, toid) => [{ groupid, msg: "typing" }, { groupid, toid }],
  [Msg.EDIT]: (_, __, messageid) => [{ messageid, msg: "mine" }],
  [Msg.DELETE]: (_, __, messageid) => [{ messageid }],
  [Msg.REACT]: (_, __, messageid) => [{ messageid, emoji: "👍" }, { messageid, emoji: "👍", off: true }],
  [Msg.READ]: (groupid, _, messageid) => [{ groupid, messageid }],
  [Msg.CONVERSATIONS]: (groupid) => [{ beforegroup: groupid }],
  [Msg.MEMBERS]: (groupid) => [{ groupid }, { groupid, banned: true }, { groupid, after: 1, limit: 1 }],
  [Msg.UPDATE_GROUP]: (
    groupid,
  ) => [{ groupid, groupname: "taken" }, { groupid, groupdesc: "x" }, { groupid, private: false }, { groupid, posting: "all" }],
  [Msg.SET_ROLE]: (groupid, userid) => [{ groupid, userid, role: "creator" }, { groupid, userid: 2 ** 40, role: "normal" }],
  [Msg.KICK]: (groupid, userid) => [{ groupid, userid }, { groupid, userid, ban: true }, { groupid, userid: 2 ** 40 }],
  [Msg.UNBAN]: (groupid, userid) => [{ groupid, userid }],
  [Msg.INVITE]: (groupid, userid) => [{ groupid }, { groupid, userid }, { groupid, userid: 2 ** 40 }],
  [Msg.REVOKE]: (groupid) => [{ groupid }],
  [Msg.SEARCH]: (groupid) => [{ text: "secret", groupid }],
  [Msg.MUTE]: (groupid) => [{ groupid }, { groupid, until: 0, pinned: true }],
  [Msg.HOOK]: (groupid) => [{ groupid, name: "build" }, { groupid, name: "build", off: true }],
  [Msg.REPORT]: (_, __, messageid) => [{ messageid, reason: "spam" }],
};

Deno.test("private groups: every request that can name a group is tried here", () => {
  for (const [msgid, schema] of Object.entries(schemas)) {
    const fields = Object.keys((schema as { entries: object }).entries);
    if (fields.some((field) => ["groupid", "groupname", "messageid", "reply", "beforegroup"].includes(field)) && Number(msgid) !== Msg.CREATE_GROUP) {
      assert(requests[Number(msgid) as RequestId], `msgid ${msgid} names a group, and is not tried`);
    }
  }
});

/** The answer, without what is the request's own. */
async function answerTo(client: RawClient, request: { msgid: number; [field: string]: unknown }): Promise<Omit<Message, "ref">> {
  client.send({ ...request, ref: "r" });
  const { ref: _, ...answer } = await client.next((m) => m.ref === "r");
  return answer;
}

databaseTest("private groups: whatever a stranger asks of one, the answer is that of a number that was never given", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ann, bob, stranger, gone, kicked, banned, invited] = await makeUsers(db, 7) as TestUser[];
  await using a = await s.client(ann!, { proto: 3 });
  await using b = await s.client(bob!, { proto: 3 });
  const create = async (fields: object) => {
    const answer = await a.request({ msgid: 8, groupdesc: "", ...fields });
    assertErrno(answer, 0);
    return answer.groupid!;
  };
  const open = await create({ groupname: "taken" });
  const hidden = await create({ groupname: "hidden", private: true });
  const { code } = await a.request({ msgid: 39, groupid: hidden, uses: 100, days: 1 });
  for (const user of [bob, gone, kicked, banned]) {
    await using client = await s.client(user!, { proto: 3, takeover: true });
    assertErrno(await client.request({ msgid: 9, code }), 0);
    if (user === gone) assertErrno(await client.request({ msgid: 19, groupid: hidden }), 0);
  }
  await b.close();
  const { messageid } = await a.request({ msgid: 10, groupid: hidden, msg: "a secret" });
  const toAll = await a.request({ msgid: 10, groupid: open, msg: "no secret" });
  assertErrno(await a.request({ msgid: 37, groupid: hidden, userid: kicked!.id }), 0);
  assertErrno(await a.request({ msgid: 37, groupid: hidden, userid: banned!.id, ban: true }), 0);
  assertErrno(await a.request({ msgid: 39, groupid: hidden, userid: invited!.id }), 0);

  const never = 4_000_000, nothing = 2 ** 45;
  for (const [user, proto] of [[stranger, 3], [stranger, 2], [stranger, undefined], [gone, 3], [kicked, 3], [banned, 3], [invited, 3]] as const) {
    await using client = await s.client(user!, proto === undefined ? {} : { proto });
    for (const [msgid, asked] of Object.entries(requests)) {
      const put = (groupid: number, message: number) => asked!(groupid, ann!.id, message).map((fields) => ({ msgid: Number(msgid), ...fields }));
      const unknown = put(never, nothing), others = put(open, toAll.messageid!);
      for (const [i, request] of put(hidden, messageid!).entries()) {
        const about = `${user!.name}, proto ${proto}: ${JSON.stringify(request)}`;
        // Who was invited may join, which is tried last, or decline.
        if (user === invited && [Msg.JOIN_GROUP, Msg.LEAVE_GROUP].includes(Number(msgid) as never)) continue;
        assertEquals(await answerTo(client, request), await answerTo(client, unknown[i]!), about);
        // It can be seen whether a group is there: a public one is.
        if (user === stranger && proto === 3 && "groupid" in request && Number(msgid) !== Msg.JOIN_GROUP) {
          assertEquals((await answerTo(client, others[i]!)).errno, "reply" in request ? 26 : 18, about);
        }
      }
    }
    for (const { msgid, ...fields } of [{ msgid: 9, groupname: "hidden" }, { msgid: 9, groupname: "HIDDEN" }]) {
      assertEquals(await answerTo(client, { msgid, ...fields }), await answerTo(client, { msgid, groupname: "never made" }));
    }
  }
  // Its name is not taken.
  assertErrno(await a.request({ msgid: 8, groupname: "Hidden", groupdesc: "" }), 0);
  await using client = await s.client(invited!, { proto: 3 });
  assertErrno(await client.request({ msgid: 9, groupid: hidden }), 0);
});
