/** Rules 5 and 10: accounts, who is in, and who is still there. */
import { assert, assertEquals } from "@std/assert";
import { type Check, randomText, Skip } from "./suite.ts";

/** Nobody waits longer for a heartbeat (s). */
const LONGEST_HEARTBEAT = 30;

export const sessions: Check[] = [
  {
    rule: "5.19",
    title: "PROFILE changes what is given and tells all of it; USERS tells `about`",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const { errno, about, receipts } = await alice.client.request({ msgid: 41, about: "hello" });
      assertEquals([errno, about, receipts], [0, "hello", true]);
      const off = await alice.client.request({ msgid: 41, receipts: false });
      assertEquals([off.about, off.receipts], ["hello", false]);
      const { users } = await bob.client.request({ msgid: 42, ids: [alice.id, bob.id] });
      assertEquals((users as { id: number; about?: string }[]).find(({ id }) => id === alice.id)?.about, "hello");
      assertEquals((users as { id: number; about?: string }[]).find(({ id }) => id === bob.id)?.about, undefined);
      assertEquals((await alice.client.request({ msgid: 41, about: "x".repeat(201) })).errno, 13);
    },
  },
  {
    rule: "5.20",
    title: "REPORT of a message that one may see, twice too; 26 for others, and for what is deleted",
    async run(stage) {
      const [alice, bob, eve] = await stage.members(3);
      const { messageid } = await alice.client.request({ msgid: 6, toid: bob.id, msg: "buy", ref: 1 });
      for (let i = 0; i < 2; i++) assertEquals((await bob.client.request({ msgid: 46, messageid, reason: "spam" })).errno, 0);
      assertEquals((await eve.client.request({ msgid: 46, messageid, reason: "spam" })).errno, 26);
      assertEquals((await bob.client.request({ msgid: 46, messageid })).errno, 13);
      assertEquals((await alice.client.request({ msgid: 26, messageid })).errno, 0);
      assertEquals((await bob.client.request({ msgid: 46, messageid, reason: "spam" })).errno, 26);
    },
  },
  {
    rule: "5.18",
    title: "DELETE_ACCOUNT, with the password: sessions end, the name is free, the number is nobody's; what was said stays, by `deleted`",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      assertEquals((await alice.client.request({ msgid: 6, toid: bob.id, msg: "hello" })).errno, 0);
      assertEquals((await alice.client.request({ msgid: 44, password: "wrong" }, 60_000)).errno, 1);
      assertEquals((await alice.client.request({ msgid: 44, password: alice.password }, 60_000)).errno, 0);
      assertEquals((await alice.client.next((m) => m.msgid === 20)).reason, "kicked");
      const { messages } = await bob.client.request({ msgid: 16, toid: alice.id });
      assertEquals((messages as Record<string, unknown>[]).map(({ id, name, msg }) => [id, name, msg]), [[alice.id, "deleted", "hello"]]);
      assertEquals((await bob.client.request({ msgid: 7, friendid: alice.id })).errno, 16);
      const other = await stage.connect();
      assertEquals((await other.login({ id: alice.id, token: alice.token, proto: 3 })).errno, 1);
      const { errno, id } = await other.register(alice.name, "secret");
      assertEquals([errno, id === alice.id], [0, false]);
    },
  },
  {
    rule: "5.17",
    title: "INVITE gives a code, once, by which somebody registers; or 22, where members do not invite",
    async run(stage) {
      const { client, ack } = await stage.member();
      const { errno, code } = await client.request({ msgid: 39 });
      if (!(ack.features as string[]).includes("invites")) return assertEquals(errno, 22);
      const other = await stage.connect();
      const register = (invite: unknown) => other.request({ msgid: 4, name: `c-${randomText()}`, password: "secret", invite }, 60_000);
      assertEquals((await register(code)).errno, 0);
      assertEquals((await register(code)).errno, 27);
    },
  },
  {
    rule: "5.1",
    title: "a name that is taken: REGISTER_ACK with errno 1",
    async run(stage) {
      const { name, client } = await stage.account();
      const { msgid, errno } = await client.register(name, "another");
      assertEquals([msgid, errno], [5, 1]);
    },
  },
  {
    rule: "5.2",
    title: "wrong password, unknown user and unknown token read the same",
    async run(stage) {
      const { id, name, client } = await stage.account();
      const wrong = [
        { id, password: "guess" },
        { name, password: "guess" },
        { id: 2 ** 50, password: "guess" },
        { name: name + "x", password: "guess" },
        { id, token: "guess" },
        { id, token: "A".repeat(43) },
        { id, token: "A".repeat(257) },
        { id, token: "好" },
      ];
      for (const fields of wrong) {
        const { ref: _, ...answer } = await client.login({ ...fields, proto: 3 });
        assertEquals<object>(answer, { msgid: 2, errno: 1, errmsg: "id or password is invalid!" }, JSON.stringify(fields));
      }
    },
  },
  {
    rule: "5.3",
    title: "a token opens its own account, by number or name, and comes back",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const { ack } = await stage.again(alice);
      assertEquals(ack.token, alice.token);
      await bob.client.close();
      const client = await stage.connect();
      assertEquals((await client.login({ id: bob.id, token: alice.token, proto: 3 })).errno, 1);
      assertEquals((await client.login({ id: bob.id, token: "guess", password: bob.password, proto: 3 })).errno, 1, "the token counts");
      assertEquals((await client.login({ name: bob.name, token: bob.token, password: "guess", proto: 3 })).errno, 0);
    },
  },
  {
    rule: "5.4",
    title: "the account is in use, and its holder answers: errno 2",
    async run(stage) {
      const { id, token, client } = await stage.member();
      client.answersPings = false;
      const second = await stage.connect();
      const login = second.login({ id, token, proto: 3 });
      await client.next((m) => m.msgid === 13);
      client.send({ msgid: 14 });
      assertEquals((await login).errno, 2);
      assertEquals((await client.request({ msgid: 17 })).errno, 0);
    },
  },
  {
    rule: "5.4",
    title: "the holder says nothing: the new login takes over, and the old connection is told and closed",
    async run(stage) {
      const { id, token, client } = await stage.member();
      const second = await stage.connect();
      // A last word, so that it is not the heartbeat that ends it.
      client.answersPings = false;
      await client.settled();
      assertEquals((await second.login({ id, token, proto: 3 })).errno, 0);
      assertEquals<object>(await client.next((m) => m.msgid === 20), { msgid: 20, reason: "replaced" });
      await client.closed();
    },
  },
  {
    rule: "5.4",
    title: "a connection that is closed leaves its account free at once",
    async run(stage) {
      let member = await stage.member();
      for (let i = 0; i < 3; i++) {
        const begun = performance.now();
        member = await stage.again(member);
        assert(performance.now() - begun < 1400, "the login took as long as asking a silent holder");
      }
    },
  },
  {
    rule: "5.5",
    title: "a second LOGIN on a connection: errno 21",
    async run(stage) {
      const { id, password, client } = await stage.member();
      const { msgid, errno } = await client.login({ id, password, proto: 3 });
      assertEquals([msgid, errno], [2, 21]);
      assertEquals((await client.request({ msgid: 17 })).errno, 0);
    },
  },
  {
    rule: "5.7",
    title: "LOGOUT ends the session and its token, not the connection, and not the user's other tokens",
    async run(stage) {
      const { id, password, token, client } = await stage.member();
      assertEquals((await client.request({ msgid: 3 })).errno, 0);
      assertEquals((await client.request({ msgid: 17 })).errno, 12);
      const second = await client.login({ id, password, proto: 3 });
      assertEquals((await client.request({ msgid: 3, id })).errno, 0);
      for (const ended of [token, second.token]) assertEquals((await client.login({ id, token: ended, proto: 3 })).errno, 1);
      const third = await client.login({ id, password, proto: 3 });
      const other = await stage.connect();
      await client.close();
      const fourth = await other.login({ id, password, proto: 3 });
      assertEquals([third.errno, fourth.errno], [0, 0]);
      assertEquals((await other.request({ msgid: 3 })).errno, 0);
      assertEquals((await other.login({ id, token: third.token, proto: 3 })).errno, 0);
    },
  },
  {
    rule: "5.8",
    title: "LOGOUT of another: errno 22",
    async run(stage) {
      const { id, client } = await stage.member();
      assertEquals((await client.request({ msgid: 3, id: id + 1 })).errno, 22);
      assertEquals((await client.request({ msgid: 17 })).errno, 0);
    },
  },
  {
    rule: "5.9",
    title: "CHANGE_PASSWORD: the old one is needed and ends; other tokens end, this session's stays",
    async run(stage) {
      const member = await stage.member();
      const { id, password, token, client: first } = member;
      await first.close();
      const client = await stage.connect();
      const ack = await client.login({ id, password, proto: 3 });
      assertEquals((await client.request({ msgid: 22, old: "guess", new: "n" }, 60_000)).errno, 1);
      assertEquals((await client.request({ msgid: 22, old: password, new: "n" }, 60_000)).errno, 0);
      await client.close();
      const again = await stage.connect();
      assertEquals((await again.login({ id, password, proto: 3 })).errno, 1);
      assertEquals((await again.login({ id, token, proto: 3 })).errno, 1);
      assertEquals((await again.login({ id, token: ack.token, proto: 3 })).errno, 0);
      assertEquals((await again.request({ msgid: 3 })).errno, 0);
      assertEquals((await again.login({ id, password: "n", proto: 3 })).errno, 0);
    },
  },
  {
    rule: "10.1",
    title: "PING is answered with PONG, with and without a session",
    async run(stage) {
      const { client } = await stage.account();
      client.send({ msgid: 13 });
      assertEquals(await client.next(), { msgid: 14 });
      const member = await stage.member();
      member.client.send({ msgid: 13, ref: "p" });
      assertEquals(await member.client.next(), { msgid: 14, ref: "p" });
    },
  },
  {
    rule: "10.2",
    title: "silence is answered with PING, then with GOODBYE silent; a word keeps the session",
    slow: true,
    async run(stage) {
      const { ack, client } = await stage.member();
      const seconds = ack.heartbeat as number;
      if (seconds > LONGEST_HEARTBEAT) throw new Skip(`heartbeat is ${seconds} s`);
      client.answersPings = false;
      const patience = seconds * 1000 + 3000;
      await client.next((m) => m.msgid === 13, patience);
      client.send({ msgid: 14 });
      await client.next((m) => m.msgid === 13, patience);
      const { reason, retry } = await client.next(undefined, patience);
      assertEquals([reason, typeof retry], ["silent", "number"]);
      await client.closed();
    },
  },
];
