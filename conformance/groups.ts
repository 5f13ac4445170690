/** Rules 8.4 to 8.9, 16.1 and 17.1: groups with doors, and what is kept of a user. */
import { assert, assertEquals } from "@std/assert";
import type { Message } from "./client.ts";
import { type Check, type Member, randomText, Skip, type Stage } from "./suite.ts";

/** A private group with three in it, the first its creator, and what was told of their coming taken. */
async function privateGroup(stage: Stage): Promise<{ groupid: number; members: Member[] }> {
  const members = await stage.members(3);
  const [{ client }, ...others] = members as [Member, ...Member[]];
  const { groupid } = await client.request({ msgid: 8, groupname: `p-${randomText()}`, groupdesc: "", private: true });
  const { code } = await client.request({ msgid: 39, groupid, uses: 2 });
  for (const other of others) assertEquals((await other.client.request({ msgid: 9, code })).errno, 0);
  for (const [i, member] of members.entries()) for (let left = i === 0 ? 2 : 3 - i; left > 0; left--) await event(member);
  return { groupid: groupid as number, members };
}

const event = ({ client }: Member): Promise<Message> => client.next((m) => m.msgid === 28);

export const groups: Check[] = [
  {
    rule: "8.4",
    title: "a private group does not exist for who is not in it; its name may be another's",
    async run(stage) {
      const [alice, bob] = await stage.members(2) as [Member, Member];
      const groupname = `p-${randomText()}`;
      const { groupid } = await alice.client.request({ msgid: 8, groupname, groupdesc: "", private: true });
      for (const msgid of [9, 10, 16, 19, 21, 32, 39, 40]) {
        assertEquals((await bob.client.request({ msgid, groupid, msg: "x" })).errno, 17, `msgid ${msgid}`);
      }
      assertEquals((await bob.client.request({ msgid: 9, groupname })).errno, 17);
      assertEquals((await bob.client.request({ msgid: 8, groupname, groupdesc: "" })).errno, 0);
    },
  },
  {
    rule: "8.5",
    title: "roles: who may set them, update and kick; 22 for the others",
    async run(stage) {
      const { groupid, members: [alice, bob, carol] } = await privateGroup(stage) as { groupid: number; members: [Member, Member, Member] };
      for (const request of [{ msgid: 35, groupdesc: "x" }, { msgid: 36, userid: carol.id, role: "normal" }, { msgid: 37, userid: carol.id }]) {
        assertEquals((await bob.client.request({ groupid, ...request })).errno, 22, JSON.stringify(request));
      }
      assertEquals((await alice.client.request({ msgid: 36, groupid, userid: bob.id, role: "moderator" })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 35, groupid, groupdesc: "x" })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 37, groupid, userid: alice.id })).errno, 22);
      assertEquals((await alice.client.request({ msgid: 36, groupid, userid: 2 ** 50, role: "normal" })).errno, 16);
      assertEquals((await alice.client.request({ msgid: 36, groupid, userid: carol.id, role: "creator" })).errno, 0);
      const { members } = await carol.client.request({ msgid: 32, groupid });
      assertEquals((members as { role: string }[]).map(({ role }) => role).sort(), ["creator", "moderator", "moderator"]);
    },
  },
  {
    rule: "8.6",
    title: "history: from one's joining on in a private group; posting: 29 where only moderators write",
    async run(stage) {
      const { groupid, members: [alice, bob] } = await privateGroup(stage) as { groupid: number; members: [Member, Member] };
      const first = (await bob.client.request({ msgid: 16, groupid })).messages as Message[];
      assertEquals([first[0]!.msgid, first[0]!.what, first[0]!.id], [28, "joined", bob.id]);
      assertEquals((await alice.client.request({ msgid: 35, groupid, posting: "moderators" })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 10, groupid, msg: "x" })).errno, 29);
      assertEquals((await alice.client.request({ msgid: 10, groupid, msg: "x" })).errno, 0);
    },
  },
  {
    rule: "8.7",
    title: "an invitation by name, once; a code for so many; revoked, used up and unknown ones: 27; banned: 22",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3) as [Member, Member, Member];
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `p-${randomText()}`, groupdesc: "", private: true });
      assertEquals((await alice.client.request({ msgid: 39, groupid, userid: bob.id })).errno, 0);
      assertEquals((await bob.client.next((m) => m.msgid === 30)).what, "invited");
      assertEquals((await event(bob)).what, "invited");
      assertEquals((await bob.client.request({ msgid: 9, groupid })).errno, 0);
      const code = async (uses: number) => (await alice.client.request({ msgid: 39, groupid, uses, days: 1 })).code;
      const once = await code(1);
      assertEquals((await carol.client.request({ msgid: 9, code: once })).errno, 0);
      assertEquals((await carol.client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals((await carol.client.request({ msgid: 9, code: once })).errno, 27);
      const many = await code(5);
      assertEquals((await alice.client.request({ msgid: 37, groupid, userid: carol.id, ban: true })).errno, 0);
      assertEquals((await carol.client.request({ msgid: 9, code: many })).errno, 22);
      assertEquals((await alice.client.request({ msgid: 38, groupid, userid: carol.id })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 40, groupid })).errno, 0);
      assertEquals((await carol.client.request({ msgid: 9, code: many })).errno, 27);
    },
  },
  {
    rule: "8.7",
    title: "invitations by name stand in the lists until they are taken, declined or taken back; CHANGED tells all devices",
    async run(stage) {
      const [alice, bob] = await stage.members(2) as [Member, Member];
      const groupname = `p-${randomText()}`;
      const { groupid } = await alice.client.request({ msgid: 8, groupname, groupdesc: "", private: true });
      const change = async (msgid: number, what: string) => {
        assertEquals((await alice.client.request({ msgid, groupid, userid: bob.id })).errno, 0);
        assertEquals((await bob.client.next((m) => m.msgid === 30)).what, what);
        return (await bob.client.request({ msgid: 17 })).invited as Message[];
      };
      const [invitation, ...others] = await change(39, "invited");
      const { until, ...rest } = invitation!;
      assertEquals<object>([rest, others], [{ groupid, groupname, by: alice.id, byname: alice.name }, []]);
      assert(Number(until) > Date.now() + 86_400_000, "until");
      assertEquals((await bob.client.request({ msgid: 19, groupid })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 9, groupid })).errno, 17);
      assertEquals((await change(39, "invited")).length, 1);
      assertEquals(await change(37, "invited"), []);
      assertEquals((await bob.client.request({ msgid: 19, groupid })).errno, 17);
      await change(39, "invited");
      assertEquals((await bob.client.request({ msgid: 9, groupid })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 17 })).invited, []);
    },
  },
  {
    rule: "8.8",
    title: "GROUP_EVENT in the log of all members and of whom it is about; HISTORY tells it in its place",
    async run(stage) {
      const { groupid, members: [alice, bob, carol] } = await privateGroup(stage) as { groupid: number; members: [Member, Member, Member] };
      assertEquals((await alice.client.request({ msgid: 37, groupid, userid: carol.id })).errno, 0);
      for (const member of [alice, bob, carol]) {
        const { what, id, by, byname, count } = await event(member);
        assertEquals([what, id, by, byname, count], ["kicked", carol.id, alice.id, alice.name, 2]);
      }
      const { messages } = await alice.client.request({ msgid: 16, groupid, limit: 1 });
      assertEquals((messages as Message[]).map((m) => [m.msgid, m.what, m.id]), [[28, "kicked", carol.id]]);
    },
  },
  {
    rule: "8.9",
    title: "who was put out is sent nothing more of the group",
    async run(stage) {
      const { groupid, members: [alice, bob, carol] } = await privateGroup(stage) as { groupid: number; members: [Member, Member, Member] };
      assertEquals((await alice.client.request({ msgid: 37, groupid, userid: carol.id })).errno, 0);
      await event(carol);
      await bob.client.request({ msgid: 10, groupid, msg: "x" });
      bob.client.send({ msgid: 21, groupid, msg: "typing" });
      await alice.client.next((m) => m.msgid === 21);
      assertEquals((await carol.client.settled()).filter((m) => m.msgid !== 30), []);
      assertEquals((await carol.client.request({ msgid: 10, groupid, msg: "x" })).errno, 17);
    },
  },
  {
    rule: "17.1",
    title: "GET /export: lines of JSON, one's own messages and the last line among them; not without a token",
    over: ["ws"],
    async run(stage) {
      const [alice, bob] = await stage.members(2) as [Member, Member];
      const url = new URL("/export", stage.target.url.replace(/^ws/, "http"));
      if (url.protocol === "https:") throw new Skip("not looked at over wss");
      const { messageid } = await alice.client.request({ msgid: 6, toid: bob.id, msg: "kept" });
      const get = (headers: Record<string, string>) => fetch(url, { headers });
      const refused = await get({});
      await refused.body?.cancel();
      assertEquals(refused.status, 401);
      for (const member of [alice, bob]) {
        const answer = await get({ authorization: `Bearer ${member.token}` });
        assertEquals(answer.status, 200);
        const lines = (await answer.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
        assertEquals(lines.at(-1), { what: "end" });
        assertEquals(lines.filter(({ what }) => what === "user").map(({ id, name }) => [id, name]), [[member.id, member.name]]);
        assertEquals(lines.filter(({ what }) => what === "message").map(({ messageid, msg }) => [messageid, msg]), [[messageid, "kept"]]);
      }
    },
  },
  {
    rule: "16.1",
    title: "HOOK gives a path, another one each time; by creator and moderators alone; a taken name: 1",
    async run(stage) {
      const { groupid, members: [alice, bob] } = await privateGroup(stage) as { groupid: number; members: [Member, Member, Member] };
      const hook = { msgid: 47, groupid, name: `h-${randomText()}` };
      const { errno, url } = await alice.client.request(hook);
      assertEquals([errno, typeof url], [0, "string"]);
      assert((await alice.client.request(hook)).url !== url);
      assertEquals((await bob.client.request(hook)).errno, 22);
      assertEquals((await alice.client.request({ ...hook, name: bob.name })).errno, 1);
      assertEquals((await alice.client.request({ ...hook, off: true })).errno, 0);
    },
  },
];
