/** Rules 7 and 8: friends, presence, blocking, groups. */
import { assert, assertEquals } from "@std/assert";
import type { Client } from "./client.ts";
import { type Check, randomText } from "./suite.ts";

/** A new group of this client's. */
async function group(client: Client): Promise<{ groupid: number; groupname: string }> {
  const groupname = `g-${randomText()}`;
  const { errno, groupid } = await client.request({ msgid: 8, groupname, groupdesc: "d" });
  assertEquals(errno, 0);
  return { groupid: groupid as number, groupname };
}

/** How late PRESENCE may be (ms): 3 s, and what a busy machine adds. */
const PRESENCE_MS = 6000;

/** The roles of a group's members, by their numbers. */
async function rolesIn(client: Client, groupid: unknown): Promise<Record<number, string>> {
  const { members } = await client.request({ msgid: 32, groupid });
  return Object.fromEntries((members as { id: number; role: string }[]).map(({ id, role }) => [id, role]));
}

export const people: Check[] = [
  {
    rule: "7.1",
    title: "ADD_FRIEND works in one direction; CONTACTS and LOGIN_ACK tell of it; REMOVE_FRIEND undoes it",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const { friend } = await alice.client.request({ msgid: 7, friendname: bob.name });
      const { lastseen: _, ...known } = friend as Record<string, unknown>;
      assertEquals(known, { id: bob.id, name: bob.name, state: "online" });
      assertEquals((await bob.client.request({ msgid: 17 })).friends, []);
      const { friends } = await alice.client.request({ msgid: 17 });
      assertEquals((friends as { id: number }[]).map((f) => f.id), [bob.id]);
      const { ack, client } = await stage.again(alice);
      assertEquals((ack.friends as { id: number }[]).map((f) => f.id), [bob.id]);
      await client.request({ msgid: 18, friendid: bob.id });
      assertEquals((await client.request({ msgid: 17 })).friends, []);
      assertEquals((await client.request({ msgid: 7, friendid: 2 ** 50 })).errno, 16);
    },
  },
  {
    rule: "7.2",
    title: "PRESENCE tells that a friend came and went, not what was undone within 2 s",
    slow: true,
    async run(stage) {
      const [alice, account] = [await stage.member(), await stage.account()];
      await alice.client.request({ msgid: 7, friendid: account.id });
      const { token } = await account.client.login({ id: account.id, password: account.password, proto: 3 });
      const isNews = (m: { msgid: number }) => m.msgid === 15;
      const came = await alice.client.next(isNews, PRESENCE_MS);
      assertEquals([came.id, came.state, came.lastseen], [account.id, "online", null], "never gone yet");
      // Short absences; then a last one, whose news would come behind any of them.
      const login = { client: account.client, id: account.id, token: token as string };
      const still = await stage.again(await stage.again(login));
      await still.client.close();
      const gone = await alice.client.next(isNews, PRESENCE_MS);
      assertEquals([gone.id, gone.state], [account.id, "offline"]);
      assertEquals((await alice.client.settled()).filter(isNews), []);
    },
  },
  {
    rule: "7.3",
    title: "oneself as a friend, or blocked: 13",
    async run(stage) {
      const { id, name, client } = await stage.member();
      for (const request of [{ msgid: 7, friendid: id }, { msgid: 7, friendname: name.toUpperCase() }, { msgid: 23, userid: id }]) {
        assertEquals((await client.request(request)).errno, 13, JSON.stringify(request));
      }
    },
  },
  {
    rule: "7.4",
    title: "BLOCK: no CHAT (23), no SIGNAL in either direction, and one reads offline to the other; UNBLOCK lifts it",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      assertEquals((await bob.client.request({ msgid: 23, userid: alice.id })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 6, toid: bob.id, msg: "x" })).errno, 23);
      alice.client.send({ msgid: 21, toid: bob.id, msg: "x" });
      await alice.client.settled();
      assertEquals(await bob.client.settled(), []);
      const { friend } = await alice.client.request({ msgid: 7, friendid: bob.id });
      const { state, lastseen } = friend as { state: string; lastseen: unknown };
      assertEquals([state, typeof lastseen], ["offline", "number"], "since the moment of BLOCK");
      const seen = await bob.client.request({ msgid: 7, friendid: alice.id });
      assertEquals((seen.friend as { state: string }).state, "online");
      bob.client.send({ msgid: 21, toid: alice.id, msg: "x" });
      await bob.client.settled();
      assertEquals(await alice.client.settled(), []);
      // The one who blocks may write; and a group is for both.
      assertEquals((await bob.client.request({ msgid: 6, toid: alice.id, msg: "x" })).errno, 0);
      const { groupid } = await group(alice.client);
      assertEquals((await bob.client.request({ msgid: 9, groupid })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 10, groupid, msg: "to all" })).errno, 0);
      assertEquals((await bob.client.next((m) => m.msgid === 10)).msg, "to all");
      await bob.client.request({ msgid: 24, userid: alice.id });
      assertEquals((await alice.client.request({ msgid: 6, toid: bob.id, msg: "y" })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 23, userid: 2 ** 50 })).errno, 16);
    },
  },
  {
    rule: "7.5",
    title: "USERS tells those that exist, by number or name",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const shown = ({ id, name }: { id: number; name: string }) => ({ id, name });
      const { users } = await alice.client.request({ msgid: 42, ids: [bob.id, alice.id, 2 ** 40] });
      assertEquals((users as { id: number }[]).toSorted((a, b) => a.id - b.id), [alice, bob].map(shown).sort((a, b) => a.id - b.id));
      assertEquals((await alice.client.request({ msgid: 42, names: [bob.name.toUpperCase()] })).users, [shown(bob)]);
      assertEquals((await alice.client.request({ msgid: 42 })).errno, 13);
    },
  },
  {
    rule: "8.1",
    title: "CREATE_GROUP: the creator is a member; a name that is taken is 1",
    async run(stage) {
      const { id, name, client } = await stage.member();
      const { groupid, groupname } = await group(client);
      assertEquals((await client.request({ msgid: 17 })).groups, [
        { id: groupid, groupname, role: "creator", count: 1 },
      ]);
      const { members, groupdesc, count, more } = await client.request({ msgid: 32, groupid });
      assertEquals([groupdesc, count, more], ["d", 1, false]);
      assertEquals(members, [{ id, name, state: "online", lastseen: null, role: "creator" }]);
      assertEquals((await client.request({ msgid: 8, groupname: groupname.toUpperCase(), groupdesc: "" })).errno, 1);
      assertEquals((await client.request({ msgid: 8, groupname: randomText() })).errno, 13);
    },
  },
  {
    rule: "8.2",
    title: "JOIN_GROUP by number or name, GROUP_CHAT to all members but the sender, 17 and 18",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const { groupid, groupname } = await group(alice.client);
      for (const msgid of [10, 16, 19, 32]) assertEquals((await bob.client.request({ msgid, groupid, msg: "x" })).errno, 18, `msgid ${msgid}`);
      assertEquals((await bob.client.request({ msgid: 9, groupname: groupname.toUpperCase() })).errno, 0);
      assertEquals((await carol.client.request({ msgid: 9, groupid })).group, { id: groupid, groupname, role: "normal", count: 3 });
      assertEquals(await rolesIn(carol.client, groupid), { [alice.id]: "creator", [bob.id]: "normal", [carol.id]: "normal" });
      const first = await carol.client.request({ msgid: 32, groupid, limit: 2 });
      const after = Math.max(...(first.members as { id: number }[]).map((member) => member.id));
      const second = await carol.client.request({ msgid: 32, groupid, limit: 2, after });
      assertEquals([first.more, second.more, (second.members as unknown[]).length], [true, false, 1]);
      const { messageid, ts } = await bob.client.request({ msgid: 10, groupid, msg: "all!", mid: "g1" });
      for (const { client } of [alice, carol]) {
        const { time: _, ...came } = await client.next((m) => m.msgid === 10);
        assertEquals<object>(came, { msgid: 10, id: bob.id, name: bob.name, groupid, msg: "all!", ts, messageid, mid: "g1", seq: came.seq });
      }
      assertEquals((await bob.client.settled()).filter((m) => m.msgid === 10), []);
      const history = await bob.client.request({ msgid: 16, groupid });
      assertEquals((history.messages as { msg?: string }[]).flatMap((m) => m.msg ?? []), ["all!"]);
      for (const msgid of [9, 10, 16, 19, 32]) {
        assertEquals((await bob.client.request({ msgid, groupid: 2 ** 50, msg: "x" })).errno, 17, `msgid ${msgid}`);
      }
    },
  },
  {
    rule: "8.3",
    title: "the oldest member follows a creator who leaves; the last one out closes the group, and its name is free",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const { groupid, groupname } = await group(alice.client);
      for (const { client } of [bob, carol]) assertEquals((await client.request({ msgid: 9, groupid })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals(await rolesIn(carol.client, groupid), { [bob.id]: "creator", [carol.id]: "normal" });
      assertEquals((await alice.client.request({ msgid: 10, groupid, msg: "x" })).errno, 18);
      for (const { client } of [bob, carol]) assertEquals((await client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals((await carol.client.request({ msgid: 9, groupid })).errno, 17);
      const again = await carol.client.request({ msgid: 8, groupname, groupdesc: "" });
      assert(again.errno === 0 && again.groupid !== groupid, JSON.stringify(again));
    },
  },
];
