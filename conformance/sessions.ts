/** Rules 5 and 10: accounts, who is in, and who is still there. */
import { assert, assertEquals } from "@std/assert";
import { type Check, Skip } from "./suite.ts";

/** Nobody waits longer for a heartbeat (s). */
const LONGEST_HEARTBEAT = 30;

export const sessions: Check[] = [
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
