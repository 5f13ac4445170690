/** Rules 5 and 6: the devices of a user, and the log that they all read. */
import { assert, assertEquals } from "@std/assert";
import type { Client, Message } from "./client.ts";
import { type Check, randomText, Skip, type Stage } from "./suite.ts";

interface Device {
  id: number;
  name: string;
  token: string;
  client: Client;
  ack: Message;
}

/** A new user, logged in on new devices of these names. */
async function devicesOf(stage: Stage, ...names: string[]): Promise<{ id: number; password: string; devices: Device[] }> {
  const { id, password } = await stage.account();
  const devices: Device[] = [];
  for (const name of names) devices.push(await newDevice(stage, id, password, name));
  return { id, password, devices };
}

async function newDevice(stage: Stage, id: number, password: string, name: string): Promise<Device> {
  const client = await stage.connect();
  const ack = await client.login({ id, password, proto: 3, device: name });
  assertEquals(ack.errno, 0, JSON.stringify(ack));
  if (!(ack.features as string[]).includes("devices")) throw new Skip("this server has no devices");
  const device = ack.device as { id: number; name: string };
  return { ...device, token: ack.token as string, client, ack };
}

const isChat = (message: Message) => message.msgid === 6;

/** What a browser gives when it subscribes. */
const SUBSCRIPTION = {
  endpoint: "https://push.example.org/conformance/",
  keys: {
    p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    auth: "BTBZMqHH6r4Tts7J_aSIgg",
  },
};

export const devices: Check[] = [
  {
    rule: "18.1",
    title: "PUSH tells the server's key and what is so for this device, and changes what is given; no endpoint: 13; device 0: 28",
    async run(stage) {
      const { client: alone, ack } = await stage.member();
      const { id, devices: [phone, laptop] } = await devicesOf(stage, "phone", "laptop");
      if (!(phone!.ack.features as string[]).includes("push")) throw new Skip("this server pushes nothing");
      if ((ack.device as { id: number }).id === 0) assertEquals((await alone.request({ msgid: 48 })).errno, 28);
      const endpoint = `${SUBSCRIPTION.endpoint}${id}-${randomText()}`;
      const push = async ({ client }: Device, fields: object) => {
        const { errno, key, endpoint, text } = await client.request({ msgid: 48, ...fields });
        assert(errno !== 0 || /^[\w-]{87}$/.test(String(key)), "a point of P-256, in base64url");
        return { errno, endpoint, text };
      };
      const nothing = { errno: 0, endpoint: undefined, text: undefined };
      assertEquals(await push(phone!, {}), nothing);
      assertEquals(await push(phone!, { ...SUBSCRIPTION, endpoint, text: true }), { errno: 0, endpoint, text: true });
      assertEquals([await push(phone!, {}), await push(laptop!, {})], [{ errno: 0, endpoint, text: true }, nothing]);
      assertEquals((await push(laptop!, { ...SUBSCRIPTION, endpoint })).errno, 0);
      assertEquals(await push(phone!, {}), nothing);
      for (const wrong of ["http://push.example.org/", "x"]) assertEquals((await push(laptop!, { ...SUBSCRIPTION, endpoint: wrong })).errno, 13);
      assertEquals((await push(laptop!, { endpoint })).errno, 13);
      assertEquals([await push(laptop!, { off: true }), await push(laptop!, {})], [nothing, nothing]);
    },
  },
  {
    rule: "11.5",
    title: "proto 2 is sent what 0.1 sent: its LOGIN_ACK and its groups, nothing of the user's own, no CHANGED; it counts as sent",
    async run(stage) {
      const { id, password, devices: [other] } = await devicesOf(stage, "other");
      const client = await stage.connect();
      const { groupid } = await (await stage.member()).client.request({ msgid: 8, groupname: `g-${randomText()}`, groupdesc: "d" });
      const ack = await client.login({ id, password, proto: 2 });
      const fields = ["msgid", "ref", "errno", "id", "name", "proto", "friends", "groups", "token", "heartbeat", "limits", "inbox"];
      assertEquals([Object.keys(ack), Object.keys(ack.limits as object), ack.inbox], [fields, ["line", "group"], { confirmed: 0, last: 0 }]);
      const { group } = await client.request({ msgid: 9, groupid }) as unknown as { group: { users: object[] } };
      assertEquals(group.users.length, 2);
      assertEquals((await other.client.request({ msgid: 10, groupid, msg: "to the others" })).errno, 0);
      assertEquals((await other.client.request({ msgid: 6, toid: id, msg: "note" })).errno, 0);
      // That it joined, and its own message, came before.
      const note = await client.next((m) => m.msgid === 6);
      assertEquals([note.msg, note.seq, await client.settled()], ["note", 3, []]);
      client.send({ msgid: 12, seq: 3 });
      assertEquals((await client.request({ msgid: 3 })).errno, 0);
      assertEquals((await client.login({ id, password, proto: 2 })).inbox, { confirmed: 3, last: 3 });
    },
  },
  {
    rule: "5.10",
    title: "a LOGIN with a device's name makes one, its token is that device's, and without either it is device 0",
    async run(stage) {
      const { id, password, devices: [phone, laptop] } = await devicesOf(stage, "phone", "laptop");
      assertEquals([[phone.id, phone.name], [laptop.id, laptop.name]], [[1, "phone"], [2, "laptop"]]);
      await phone.client.close();
      const again = await stage.connect();
      assertEquals((await again.login({ id, token: phone.token, proto: 3 })).device, { id: 1, name: "phone" });
      for (const proto of [3, 2, undefined]) {
        const other = await stage.connect();
        const ack = await other.login({ id, password, ...(proto ? { proto } : {}), ...(proto === 3 ? {} : { device: "ignored" }) });
        assertEquals([ack.errno, ack.device], [0, proto === 3 ? { id: 0, name: "" } : undefined]);
        await other.request({ msgid: 3 });
      }
      const { devices } = await laptop.client.request({ msgid: 33 });
      assertEquals((devices as Device[]).map((device) => device.id), [0, 1, 2]);
    },
  },
  {
    rule: "5.4",
    title: "takeover: true takes a device without asking; the others of the user notice nothing",
    async run(stage) {
      const { id, devices: [phone, laptop] } = await devicesOf(stage, "phone", "laptop");
      const again = await stage.connect();
      assertEquals((await again.login({ id, token: phone.token, proto: 3, takeover: true })).errno, 0);
      assertEquals((await phone.client.next((m) => m.msgid === 20)).reason, "replaced");
      assertEquals((await laptop.client.request({ msgid: 13 })).msgid, 14);
    },
  },
  {
    rule: "5.14",
    title: "a user is online while any device has a session",
    async run(stage) {
      const { id, devices: [phone, laptop] } = await devicesOf(stage, "phone", "laptop");
      const { client } = await stage.member();
      const state = async () => ((await client.request({ msgid: 7, friendid: id })).friend as { state: string }).state;
      assertEquals(await state(), "online");
      assertEquals((await phone.client.request({ msgid: 3 })).errno, 0);
      assertEquals(await state(), "online");
      assertEquals((await laptop.client.request({ msgid: 3 })).errno, 0);
      for (const end = performance.now() + 5000; await state() === "online";) assert(performance.now() < end, "still online");
    },
  },
  {
    rule: "5.15",
    title: "DEVICES lists them, REMOVE_DEVICE ends one with its session and token, 28",
    async run(stage) {
      const { id, devices: [phone, laptop] } = await devicesOf(stage, "phone", "laptop");
      const { devices: all } = await laptop.client.request({ msgid: 33 });
      const shown = (all as { id: number; name: string; state: string; this?: true }[]).map((d) => [d.id, d.name, d.state, d.this]);
      assertEquals(shown, [[0, "", "offline", undefined], [1, "phone", "online", undefined], [2, "laptop", "online", true]]);
      assertEquals((await laptop.client.request({ msgid: 34, device: 99 })).errno, 28);
      assertEquals((await laptop.client.request({ msgid: 34, device: phone.id })).errno, 0);
      assertEquals((await phone.client.next((m) => m.msgid === 20)).reason, "kicked");
      const again = await stage.connect();
      assertEquals((await again.login({ id, token: phone.token, proto: 3 })).errno, 1);
    },
  },
  {
    rule: "6.9",
    title: "every device is sent the log from its place on, one's own messages too, and confirms for itself",
    async run(stage) {
      const { id, devices: [phone, laptop] } = await devicesOf(stage, "phone", "laptop");
      const sender = await stage.member();
      assertEquals((await sender.client.request({ msgid: 6, toid: id, msg: "one" })).errno, 0);
      for (const { client } of [phone, laptop]) assertEquals((await client.next(isChat)).seq, 1);
      const mine = await phone.client.request({ msgid: 6, toid: sender.id, msg: "two", mid: "m" });
      for (const { client } of [phone, laptop]) {
        const own = await client.next(isChat);
        assertEquals([own.id, own.toid, own.messageid, own.mid, own.seq], [id, sender.id, mine.messageid, "m", 2]);
      }
      phone.client.send({ msgid: 12, seq: 2 });
      laptop.client.send({ msgid: 12, seq: 1 });
      for (const [{ token, client }, confirmed] of [[phone, 2], [laptop, 1]] as const) {
        await client.settled();
        await client.close();
        const again = await stage.connect();
        const { inbox } = await again.login({ id, token, proto: 3 });
        const { epoch: _, ...place } = inbox as Record<string, unknown>;
        assertEquals(place, { confirmed, last: 2 });
      }
    },
  },
  {
    rule: "6.14",
    title: "a new device begins where the furthest of the user's has confirmed",
    async run(stage) {
      const { id, password, devices: [phone] } = await devicesOf(stage, "phone");
      const sender = await stage.member();
      for (const msg of ["one", "two", "three"]) await sender.client.request({ msgid: 6, toid: id, msg });
      for (let i = 0; i < 3; i++) await phone.client.next(isChat);
      phone.client.send({ msgid: 12, seq: 2 });
      await phone.client.settled();
      await phone.client.close();
      const again = await stage.connect();
      await again.login({ id, token: phone.token, proto: 3 });
      const { ack, client } = await newDevice(stage, id, password, "laptop");
      const { epoch, ...place } = ack.inbox as Record<string, unknown>;
      assertEquals(place, { confirmed: 2, last: 3 });
      assert(typeof epoch === "string" && epoch.length > 0, "epoch");
      assertEquals((await client.next(isChat)).msg, "three");
    },
  },
  {
    rule: "7.7",
    title: "CHANGED tells the user's other devices of contacts, groups, blocks and devices",
    async run(stage) {
      const { id, devices: [phone, laptop] } = await devicesOf(stage, "phone", "laptop");
      const other = await stage.member();
      assertEquals(await phone.client.next((m) => m.msgid === 30), { msgid: 30, what: "devices" });
      const requests: [object, string][] = [
        [{ msgid: 7, friendid: other.id }, "contacts"],
        [{ msgid: 23, userid: other.id }, "blocked"],
        [{ msgid: 8, groupname: `g-${id}-${Date.now()}`, groupdesc: "" }, "groups"],
      ];
      for (const [request, what] of requests) {
        assertEquals((await phone.client.request(request)).errno, 0);
        assertEquals(await laptop.client.next((m) => m.msgid === 30), { msgid: 30, what });
      }
      assertEquals((await phone.client.settled()).filter((m) => m.msgid === 30), []);
    },
  },
];
