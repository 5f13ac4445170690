/** Rules 2 to 4: who is answered what, and when. */
import { assert, assertEquals } from "@std/assert";
import { type Check, placeOf, randomText } from "./suite.ts";

/** One request of each kind that needs a session and leaves it as it was, and the msgid of its answer. */
function requests(self: number, other: number): object[] {
  return [
    { msgid: 6, toid: self, msg: "x" },
    { msgid: 7, friendid: other },
    { msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" },
    { msgid: 9, groupid: 2 ** 50 },
    { msgid: 10, groupid: 2 ** 50, msg: "x" },
    { msgid: 13 },
    { msgid: 16, toid: other },
    { msgid: 17 },
    { msgid: 18, friendid: other },
    { msgid: 19, groupid: 2 ** 50 },
    { msgid: 23, userid: other },
    { msgid: 24, userid: other },
    { msgid: 32, groupid: 2 ** 50 },
    { msgid: 33 },
    { msgid: 34, device: 2 ** 50 },
    { msgid: 42, ids: [other] },
  ];
}

export const answers: Check[] = [
  {
    rule: "2.1",
    title: "LOGIN_ACK has its fields; a higher proto is answered with 3",
    async run(stage) {
      const { id, name, password, client } = await stage.account();
      const ack = await client.login({ id, password, proto: 99 });
      const { ref: _, token, heartbeat, limits, inbox, features, version, url, ...rest } = ack;
      assertEquals<object>(rest, {
        msgid: 2,
        errno: 0,
        id,
        name,
        proto: 3,
        device: { id: 0, name: "" },
        friends: [],
        groups: [],
        blocked: [],
        invited: [],
      });
      assertEquals(placeOf(ack), { confirmed: 0, last: 0 });
      assert(typeof (inbox as { epoch: unknown }).epoch === "string", "epoch");
      assert(Array.isArray(features) && typeof version === "string", "features, version");
      assertEquals(typeof url, features.includes("files") ? "string" : "undefined", "url");
      assert(typeof token === "string" && token.length > 0, "token");
      assert((heartbeat as number) > 0, "heartbeat");
      const { line, answer, group } = limits as Record<string, number>;
      assert(line > 0 && answer > 0 && group > 0, "limits");
    },
  },
  {
    rule: "2.3",
    title: "nothing comes before LOGIN_ACK",
    async run(stage) {
      const [sender, receiver] = await stage.members(2);
      await receiver.client.close();
      for (let i = 0; i < 5; i++) assertEquals((await sender.client.request({ msgid: 6, toid: receiver.id, msg: `${i}` })).errno, 0);
      const { client } = await stage.again(receiver);
      for (let i = 0; i < 5; i++) await client.next((m) => m.msgid === 6);
      assertEquals(client.lines.map((line) => JSON.parse(line).msgid), [2, 6, 6, 6, 6, 6]);
    },
  },
  {
    rule: "3.1",
    title: "ref comes back as it was; one that is no integer and no string of up to 64 characters is 13",
    async run(stage) {
      const client = await stage.connect();
      for (const ref of [0, -1, 2 ** 53 - 1, "", "x".repeat(64), "😀".repeat(64)]) {
        client.send({ msgid: 13, ref });
        assertEquals(await client.next(), { msgid: 14, ref });
      }
      for (const ref of [1.5, true, {}, [1], "x".repeat(65), 2 ** 53]) {
        client.send({ msgid: 13, ref });
        assertEquals((await client.next()).errno, 13, JSON.stringify(ref));
      }
    },
  },
  {
    rule: "3.2",
    title: "with a ref, exactly one answer; RECEIVED, PONG and SIGNAL have none",
    async run(stage) {
      const [{ id, client }, other] = await stage.members(2);
      const sent = requests(id, other.id);
      sent.forEach((request, ref) => client.send({ ...request, ref }));
      for (const ref of sent.keys()) await client.next((m) => m.ref === ref);
      const silent = [{ msgid: 12, seq: 0 }, { msgid: 14 }, { msgid: 21, toid: other.id, msg: "x" }];
      for (const request of silent) client.send({ ...request, ref: "silent" });
      assertEquals((await client.settled()).filter((m) => m.ref !== undefined), []);
    },
  },
  {
    rule: "3.3",
    title: "without a ref: PING and what asks for something are answered, others only when they fail",
    async run(stage) {
      const [{ id, client }, other] = await stage.members(2);
      for (const request of requests(id, other.id)) client.send(request);
      // Behind the answers to the CHAT and GROUP_CHAT before it (3.5).
      await client.request({ msgid: 6, toid: id, msg: "the last one" });
      const came = await client.settled();
      const answered = came.filter((m) => m.msgid === 11 || m.msgid === 14).map((m) => m.re ?? 13);
      assertEquals(answered.sort((a, b) => a - b), [9, 10, 13, 16, 17, 19, 32, 33, 34, 42]);
    },
  },
  {
    rule: "3.4",
    title: "LOGIN fails by LOGIN_ACK, REGISTER by REGISTER_ACK, PING by REPLY, the rest by REPLY",
    async run(stage) {
      const client = await stage.connect();
      const pairs: [object, number][] = [[{ msgid: 1 }, 2], [{ msgid: 4 }, 5], [{ msgid: 13, ref: 1.5 }, 11], [{ msgid: 6 }, 11]];
      for (const [request, msgid] of pairs) {
        client.send(request);
        assertEquals((await client.next()).msgid, msgid, JSON.stringify(request));
      }
    },
  },
  {
    rule: "3.5",
    title: "CHAT and GROUP_CHAT are answered in their order, those that fail too",
    async run(stage) {
      const { id, name, client } = await stage.member();
      const to = [{ toid: id }, { toid: 2 ** 50 }, { toname: name }, { toid: -1 }, { groupid: 2 ** 50 }];
      const lines = Array.from({ length: 30 }, (_, ref) => JSON.stringify({ msgid: ref % 5 === 4 ? 10 : 6, ...to[ref % 5], msg: "x", ref }));
      await client.write(lines.map((line) => line + "\n").join(""));
      const refs: unknown[] = [];
      while (refs.length < 30) refs.push((await client.next((m) => m.msgid === 11)).ref);
      assertEquals(refs, Array.from({ length: 30 }, (_, i) => i));
    },
  },
  {
    rule: "3.6",
    title: "a failure has errmsg, a REPLY has re, an integer, success has no errmsg",
    async run(stage) {
      const { client } = await stage.member();
      const failed = await client.request({ msgid: 6, toid: 2 ** 50, msg: "x" });
      assertEquals([failed.msgid, failed.errno, failed.re, typeof failed.errmsg], [11, 16, 6, "string"]);
      const done = await client.request({ msgid: 17 });
      assertEquals([done.msgid, done.errno, done.re, done.errmsg], [11, 0, 17, undefined]);
      for (const [msgid, re] of [["999", 999], ["13.5"], ["1e999"], ["null"], ['"13"'], ["true"]] as [string, number?][]) {
        await client.line(`{"msgid":${msgid},"ref":"r"}`);
        const { errno, ...answer } = await client.next();
        assertEquals([errno, answer.re, Object.hasOwn(answer, "re")], [11, re, re !== undefined], msgid);
      }
    },
  },
  {
    rule: "3.7",
    title: "12 and 21 are told before 13, 13 before what the server must look for, and 13 names the field",
    async run(stage) {
      const client = await stage.connect();
      for (const msgid of [3, 6, 7, 8, 9, 10, 12, 16, 17, 18, 19, 21, 22, 23, 24, 32, 33, 34, 42]) {
        client.send({ msgid, id: "x", toid: "x", groupid: [], seq: -1, device: "x" });
        const { errno, re } = await client.next();
        assertEquals([errno, re], [12, msgid]);
      }
      const member = await stage.member();
      assertEquals((await member.client.request({ msgid: 1, id: "x" })).errno, 21);
      assertEquals((await member.client.request({ msgid: 3, id: "x" })).errno, 13);
      assertEquals((await member.client.request({ msgid: 6, toid: 2 ** 50, msg: "" })).errno, 13);
      assertEquals((await member.client.request({ msgid: 10, groupid: 2 ** 50, msg: "x", mid: "" })).errno, 13);
      const { errno, errmsg } = await member.client.request({ msgid: 6, toid: member.id, msg: 7 });
      assert(errno === 13 && errmsg!.includes("msg"), errmsg);
    },
  },
  {
    rule: "3.8",
    title: "what is so already is answered with 0",
    async run(stage) {
      const [{ client }, other] = await stage.members(2);
      const { groupid } = await client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      const twice = [{ msgid: 7, friendid: other.id }, { msgid: 18, friendid: other.id }, { msgid: 9, groupid }];
      for (const request of [...twice, { msgid: 23, userid: other.id }, { msgid: 24, userid: other.id }]) {
        for (let i = 0; i < 2; i++) assertEquals((await client.request(request)).errno, 0, JSON.stringify(request));
      }
    },
  },
  {
    rule: "4.1",
    title: "a number or a name; with both, the number counts",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      assertEquals((await alice.client.request({ msgid: 6, toname: bob.name.toUpperCase(), msg: "by name" })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 6, toid: bob.id, toname: alice.name, msg: "by number" })).errno, 0);
      assertEquals([(await bob.client.next()).msg, (await bob.client.next()).msg], ["by name", "by number"]);
      assertEquals((await alice.client.request({ msgid: 6, msg: "to whom?" })).errno, 13);
      for (const request of [{ msgid: 10, groupname: "g", msg: "x" }, { msgid: 18, friendname: bob.name }, { msgid: 21, toname: bob.name }]) {
        assertEquals((await alice.client.request(request)).errno, 13, JSON.stringify(request));
      }
      assertEquals((await alice.client.request({ msgid: 6, toname: randomText().padEnd(200, "x"), msg: "x" })).errno, 16);
      assertEquals((await alice.client.request({ msgid: 6, toname: "x".repeat(201), msg: "x" })).errno, 13);
    },
  },
  {
    rule: "4.1",
    title: "HISTORY and SIGNAL with both a user and a group go by the group",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" });
      await carol.client.request({ msgid: 9, groupid });
      assertEquals((await alice.client.request({ msgid: 10, groupid, msg: "to the group" })).errno, 0);
      const { messages } = await alice.client.request({ msgid: 16, toid: bob.id, groupid });
      assertEquals((messages as { msg?: string }[]).flatMap((m) => m.msg ?? []), ["to the group"]);
      assertEquals((await bob.client.request({ msgid: 16, toid: alice.id, groupid })).errno, 18);
      alice.client.send({ msgid: 21, toid: bob.id, groupid, msg: "s" });
      assertEquals<object>(await carol.client.next((m) => m.msgid === 21), { msgid: 21, id: alice.id, groupid, msg: "s" });
      assertEquals(await bob.client.settled(), []);
    },
  },
  {
    rule: "4.2",
    title: "names are the same without regard to case and compatible forms; invisible characters and outer spaces are 13",
    async run(stage) {
      const client = await stage.connect();
      const name = `Ä${randomText()}`;
      assertEquals((await client.register(name, "pw")).errno, 0);
      for (
        const same of [
          name.toLowerCase(),
          name.toUpperCase(),
          name.normalize("NFD"),
          name.replace(/\d/g, (d) => String.fromCodePoint(0xff10 + Number(d))),
        ]
      ) {
        assertEquals((await client.register(same, "pw")).errno, 1, same);
      }
      // Joiners, where scripts need them, are no difference.
      const digits = Math.random().toString().slice(2, 17);
      const [persian, hindi] = [`علی\u200cرضا ${digits}`, `क्\u200dष ${digits}`];
      for (const joined of [persian, hindi]) {
        assertEquals((await client.register(joined, "pw")).errno, 0, JSON.stringify(joined));
        assertEquals((await client.register(joined.replace(/[\u200c\u200d]/, ""), "pw")).errno, 1, JSON.stringify(joined));
      }
      for (const bad of ["", " a", "a ", "a\nb", "a\u200bb", "a\u200cb", "a\u200db", "\u202ea", "x".repeat(51)]) {
        assertEquals((await client.register(bad, "pw")).errno, 13, JSON.stringify(bad));
      }
    },
  },
  {
    rule: "4.6",
    title: "a name that looks like another's is refused (1), and so is `deleted`, and one that mixes scripts (13); ASCII stands for itself",
    async run(stage) {
      const client = await stage.connect();
      const digits = Math.random().toString().slice(2, 17);
      assertEquals((await client.register(`ѕсоре ${digits}`, "pw")).errno, 0);
      assertEquals((await client.register(`scope ${digits}`, "pw")).errno, 1);
      assertEquals((await client.register(`modern ${digits}`, "pw")).errno, 0);
      assertEquals((await client.register(`rnodern ${digits}`, "pw")).errno, 0);
      assertEquals((await client.register("Deleted", "pw")).errno, 1);
      for (const mixed of ["Иван Ivan", "ひらがな 한글"]) assertEquals((await client.register(mixed, "pw")).errno, 13, mixed);
    },
  },
  {
    rule: "4.3",
    title: "time is ts in UTC, near now; lastseen is null before the first session",
    async run(stage) {
      const { id, client } = await stage.member();
      const { id: other } = await stage.account();
      client.send({ msgid: 6, toid: id, msg: "when?" });
      const { time, ts } = await client.next((m) => m.msgid === 6);
      assertEquals(time, new Date(ts!).toISOString().slice(0, 19).replace("T", " "));
      assert(Math.abs(ts! - Date.now()) < 3600_000, "an hour from this machine's time");
      const { friend } = await client.request({ msgid: 7, friendid: other });
      const { state, lastseen } = friend as Record<string, unknown>;
      assertEquals([state, lastseen], ["offline", null]);
    },
  },
  {
    rule: "4.5",
    title: "integers have no fraction, and their bounds",
    async run(stage) {
      const { id, client } = await stage.member();
      await client.line(`{"msgid":16,"toid":${id}.0,"limit":1e2,"ref":1}`);
      assertEquals((await client.next()).errno, 0);
      assertEquals((await client.request({ msgid: 16, toid: 2 ** 53 - 1 })).errno, 16);
      const bad = [{ msgid: 16, toid: 0 }, { msgid: 16, toid: 2 ** 53 }, { msgid: 16, toid: String(id) }, { msgid: 16, toid: id, before: 0 }];
      for (const request of [...bad, { msgid: 12, seq: -1 }, { msgid: 12, seq: 0.5 }]) {
        assertEquals((await client.request(request)).errno, 13, JSON.stringify(request));
      }
      const other = await stage.connect();
      for (const proto of [1, 0, 2.5, "2"]) assertEquals((await other.login({ id, password: "x", proto })).errno, 13, JSON.stringify(proto));
    },
  },
  {
    rule: "4.4",
    title: "characters are code points: 50 emoji are a name, and come back unharmed in a message",
    async run(stage) {
      const { id, client } = await stage.member();
      const groupname = randomText() + "👍".repeat(38);
      assertEquals((await client.request({ msgid: 8, groupname, groupdesc: "好".repeat(200) })).errno, 0);
      assertEquals((await client.request({ msgid: 8, groupname: groupname + "!", groupdesc: "" })).errno, 13);
      assertEquals((await client.request({ msgid: 8, groupname: randomText(), groupdesc: "好".repeat(201) })).errno, 13);
      const msg = '"\\\t\u0001\u2028 e\u0301 张三 👩‍🚀\ufeff';
      client.send({ msgid: 6, toid: id, msg });
      assertEquals((await client.next((m) => m.msgid === 6)).msg, msg);
    },
  },
];
