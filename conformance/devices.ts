/** Rules of several devices of a user: who is in where, what each is sent, and what the others are told. */
import { assert, assertEquals } from "@std/assert";
import type { Message } from "./client.ts";
import { type Check, type Member, randomText } from "./suite.ts";

const isText = (m: Message) => m.msgid === 6 || m.msgid === 10;
const isGoodbye = (m: Message) => m.msgid === 20;
/** CHANGED, of this. */
const changed = (what: string) => (m: Message) => m.msgid === 30 && m.what === what;

interface Device {
  id: number;
  name: string;
  state: string;
  since: number | null;
  lastseen: number | null;
  address?: string;
  this?: boolean;
}

async function devicesOf({ client }: Member): Promise<Device[]> {
  return (await client.request({ msgid: 33 })).devices as Device[];
}

export const devices: Check[] = [
  {
    rule: "5.10",
    title: "a name makes a device, each has its session; a token is its device's; without a name it is device 0",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "phone");
      assertEquals([phone.ack.device, laptop.ack.device], [{ id: 1, name: "phone" }, { id: 2, name: "phone" }]);
      const nameless = await stage.connect();
      const ack = await nameless.login({ id: phone.id, password: phone.password, proto: 3 });
      assertEquals([ack.errno, ack.device], [0, { id: 0, name: "" }]);
      const back = await stage.again(laptop);
      assertEquals([back.ack.device, back.ack.token], [laptop.ack.device, laptop.token]);
      for (const client of [phone.client, nameless, back.client]) assertEquals((await client.request({ msgid: 17 })).errno, 0);
      for (const device of ["", " x", "x".repeat(51), 7]) {
        const answer = await (await stage.connect()).login({ id: phone.id, password: phone.password, proto: 3, device });
        assertEquals(answer.errno, 13, JSON.stringify(device));
      }
    },
  },
  {
    rule: "5.4",
    title: "takeover: the device is taken without asking, and the other devices keep their sessions",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      const client = await stage.connect();
      const begun = performance.now();
      assertEquals((await client.login({ id: phone.id, token: phone.token, proto: 3, takeover: true })).errno, 0);
      assert(performance.now() - begun < 1400, "it took as long as asking");
      assertEquals<object>(await phone.client.next(isGoodbye), { msgid: 20, reason: "replaced" });
      await phone.client.closed();
      assertEquals((await laptop.client.request({ msgid: 17 })).errno, 0);
    },
  },
  {
    rule: "5.14",
    title: "online while any device has a session",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      const friend = await stage.member();
      const stateOf = async () => {
        const { friends } = await friend.client.request({ msgid: 17 });
        return (friends as { state: string }[])[0].state;
      };
      await friend.client.request({ msgid: 7, friendid: phone.id });
      await phone.client.close();
      const { errno } = await laptop.client.request({ msgid: 13 });
      assertEquals([errno, await stateOf()], [undefined, "online"]);
      await laptop.client.request({ msgid: 3 });
      assertEquals(await stateOf(), "offline");
    },
  },
  {
    rule: "5.15",
    title: "DEVICES lists them; REMOVE_DEVICE ends one with its session and token, 28 if there is none; one's own is LOGOUT",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      const listed = await devicesOf(phone);
      assertEquals(listed.map(({ id, name, state }) => [id, name, state]), [[0, "", "offline"], [1, "phone", "online"], [2, "laptop", "online"]]);
      assertEquals(listed.map((device) => device.this), [undefined, true, undefined]);
      assertEquals(listed.map(({ since, lastseen }) => [typeof since, lastseen]), [["object", null], ["number", null], ["number", null]]);
      assertEquals((await phone.client.request({ msgid: 34, device: 9 })).errno, 28);
      assertEquals((await phone.client.request({ msgid: 34, device: 2 })).errno, 0);
      assertEquals<object>(await laptop.client.next(isGoodbye), { msgid: 20, reason: "kicked" });
      await laptop.client.closed();
      assertEquals((await devicesOf(phone)).map(({ id }) => id), [0, 1]);
      const client = await stage.connect();
      assertEquals((await client.login({ id: phone.id, token: laptop.token, proto: 3 })).errno, 1);
      assertEquals((await phone.client.request({ msgid: 34, device: 1 })).errno, 0);
      assertEquals((await phone.client.request({ msgid: 33 })).errno, 12);
      assertEquals((await client.login({ id: phone.id, token: phone.token, proto: 3 })).errno, 1);
    },
  },
  {
    rule: "5.7",
    title: "LOGOUT removes the device, and no other",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      assertEquals((await laptop.client.request({ msgid: 3 })).errno, 0);
      assertEquals((await devicesOf(phone)).map(({ id }) => id), [0, 1]);
      // Its number is not given again.
      const third = await stage.device(phone, "third");
      assertEquals(third.ack.device, { id: 3, name: "third" });
    },
  },
  {
    rule: "5.9",
    title: "CHANGE_PASSWORD signs the other devices out",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      assertEquals((await phone.client.request({ msgid: 22, old: phone.password, new: "another" }, 60_000)).errno, 0);
      assertEquals<object>(await laptop.client.next(isGoodbye), { msgid: 20, reason: "kicked" });
      assertEquals((await (await stage.connect()).login({ id: laptop.id, token: laptop.token, proto: 3 })).errno, 1);
      assertEquals((await devicesOf(phone)).map(({ id }) => id), [0, 1]);
    },
  },
  {
    rule: "6.9",
    title: "every device is sent everything, one's own messages too, with the same numbers; a note to oneself once",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      const bob = await stage.member();
      const sent = await phone.client.request({ msgid: 6, toid: bob.id, msg: "from the phone", mid: "p-1" });
      await bob.client.request({ msgid: 6, toid: phone.id, msg: "hello" });
      await laptop.client.request({ msgid: 6, toid: phone.id, msg: "a note" });
      for (const { client } of [phone, laptop]) {
        const came = [];
        for (let seq = 1; seq <= 3; seq++) came.push(await client.next((m) => isText(m) && m.seq === seq));
        assertEquals(came.map(({ id, msg }) => [id, msg]), [[phone.id, "from the phone"], [bob.id, "hello"], [phone.id, "a note"]]);
        assertEquals([came[0].toid, came[0].mid, came[0].messageid], [bob.id, "p-1", sent.messageid]);
        assertEquals((await client.settled()).filter(isText), []);
      }
    },
  },
  {
    rule: "6.11",
    title: "each device confirms for itself",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      const bob = await stage.member();
      for (const msg of ["one", "two"]) assertEquals((await bob.client.request({ msgid: 6, toid: phone.id, msg })).errno, 0);
      for (const { client } of [phone, laptop]) await client.next((m) => isText(m) && m.seq === 2);
      phone.client.send({ msgid: 12, seq: 2 });
      await phone.client.settled();
      const [first, second] = [await stage.again(phone), await stage.again(laptop)];
      assertEquals([first.ack, second.ack].map(({ inbox }) => (inbox as { confirmed: number }).confirmed), [2, 0]);
      for (const msg of ["one", "two"]) assertEquals((await second.client.next(isText)).msg, msg);
      assertEquals((await first.client.settled()).filter(isText), []);
    },
  },
  {
    rule: "6.14",
    title: "a new device begins where the furthest has confirmed; all are told the same epoch",
    async run(stage) {
      const phone = await stage.member("phone");
      const bob = await stage.member();
      for (const msg of ["one", "two"]) await bob.client.request({ msgid: 6, toid: phone.id, msg });
      await phone.client.next((m) => m.seq === 2);
      phone.client.send({ msgid: 12, seq: 1 });
      await phone.client.settled();
      // What is confirmed may be written a moment later; what has ended is written.
      await phone.client.close();
      const laptop = await stage.device(phone, "laptop");
      const { epoch } = phone.ack.inbox as { epoch: string };
      assert(typeof epoch === "string" && epoch !== "");
      assertEquals(laptop.ack.inbox, { epoch, confirmed: 1, last: 2 });
      assertEquals((await laptop.client.next(isText)).msg, "two");
    },
  },
  {
    rule: "7.5",
    title: "USERS tells those that exist, by number or by name",
    async run(stage) {
      const [alice, bob] = await stage.members(2);
      const both = [{ id: alice.id, name: alice.name }, { id: bob.id, name: bob.name }];
      const byNumber = (user: { id: number }, other: { id: number }) => user.id - other.id;
      const ask = async (fields: object) =>
        ((await alice.client.request({ msgid: 42, ...fields })).users as { id: number; name: string }[]).sort(byNumber);
      assertEquals(await ask({ ids: [alice.id, bob.id, 2 ** 50] }), both.sort(byNumber));
      assertEquals(await ask({ names: [alice.name.toUpperCase(), `x${randomText()}`] }), [{ id: alice.id, name: alice.name }]);
      for (const fields of [{}, { ids: [] }, { ids: [0] }, { ids: Array(101).fill(1) }, { names: "bob" }, { find: "x" }]) {
        assertEquals((await alice.client.request({ msgid: 42, ...fields })).errno, 13, JSON.stringify(fields).slice(0, 40));
      }
    },
  },
  {
    rule: "7.7",
    title: "CHANGED tells the other devices, and not the one that did it",
    async run(stage) {
      const phone = await stage.member("phone");
      const laptop = await stage.device(phone, "laptop");
      const bob = await stage.member();
      assertEquals((await phone.client.next(changed("devices"))).what, "devices");
      const acts: [string, object][] = [
        ["contacts", { msgid: 7, friendid: bob.id }],
        ["contacts", { msgid: 18, friendid: bob.id }],
        ["blocked", { msgid: 23, userid: bob.id }],
        ["blocked", { msgid: 24, userid: bob.id }],
        ["groups", { msgid: 8, groupname: `g-${randomText()}`, groupdesc: "" }],
      ];
      for (const [what, request] of acts) {
        assertEquals((await phone.client.request(request)).errno, 0);
        await laptop.client.next(changed(what));
      }
      const { groups, blocked } = await laptop.client.request({ msgid: 17 });
      assertEquals([(groups as object[]).length, blocked], [1, []]);
      assertEquals((await phone.client.settled()).filter((m) => m.msgid === 30), []);
    },
  },
  {
    rule: "8.2",
    title: "MEMBERS tells the members by pages, in the order of their numbers",
    async run(stage) {
      const [alice, bob, carol] = await stage.members(3);
      const { groupid } = await alice.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "d" });
      for (const { client } of [bob, carol]) assertEquals((await client.request({ msgid: 9, groupid })).errno, 0);
      const ids = [alice, bob, carol].map(({ id }) => id).sort((a, b) => a - b);
      let after = 0;
      for (const [i, id] of ids.entries()) {
        const { members, count, more, groupdesc } = await bob.client.request({ msgid: 32, groupid, after, limit: 1 });
        assertEquals([(members as { id: number }[]).map((member) => member.id), count, more, groupdesc], [[id], 3, i < 2, "d"]);
        after = id;
      }
      for (const limit of [0, 201, "1"]) assertEquals((await bob.client.request({ msgid: 32, groupid, limit })).errno, 13);
    },
  },
  {
    rule: "11.5",
    title: "proto 2: lists with members, not one's own messages, not CHANGED; what it is not sent is confirmed with what came before",
    async run(stage) {
      const phone = await stage.member("phone");
      const { id, password, name } = phone;
      const { groupid, errno } = await phone.client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "d" });
      assertEquals(errno, 0);
      const old = await stage.connect();
      const ack = await old.login({ id, password, proto: 2, device: "ignored by 0.1" });
      assertEquals([ack.errno, ack.proto, ack.device, ack.blocked, Object.keys(ack.inbox as object)], [0, 2, undefined, undefined, [
        "confirmed",
        "last",
      ]]);
      const [{ users, count }] = ack.groups as { users: object[]; count?: number }[];
      assertEquals([users, count], [[{ id, name, state: "online", role: "creator" }], undefined]);
      await phone.client.request({ msgid: 6, toid: phone.id, msg: "a note" });
      await phone.client.request({ msgid: 10, groupid, msg: "to the group" });
      await phone.client.request({ msgid: 23, userid: (await stage.member()).id });
      const note = await old.next(isText);
      assertEquals(note.msg, "a note");
      old.send({ msgid: 12, seq: note.seq });
      assertEquals((await old.settled()).filter((m) => isText(m) || m.msgid === 30), []);
      await old.close();
      const again = await stage.connect();
      const { inbox } = await again.login({ id, password, proto: 2 });
      const { confirmed, last } = inbox as { confirmed: number; last: number };
      assertEquals(confirmed, last);
    },
  },
];
