// Web Push: who is spoken to by name by an EDIT is told of it, once.

import { assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { databaseTest } from "./support/databases.ts";
import { loginDevice, makeDevices, type TestDevice } from "./support/devices.ts";
import { PushService, trusting } from "./support/push_service.ts";
import { leave, ok, SETTINGS, settled, subscribe } from "./support/pushing.ts";
import { eventually, makeUsers, startServer } from "./support/server.ts";

databaseTest("push: who is spoken to by name only since an edit, in a muted group, is told once; nobody else is", async (db) => {
  await using service = new PushService();
  await using server = await startServer(db, SETTINGS, trusting);
  const [ann] = await makeUsers(db, 1);
  await using a = await server.client(ann!, { proto: 3 });
  const [phone] = await makeDevices(server, 1) as [TestDevice];
  const [loud] = await makeDevices(server, 1) as [TestDevice];
  const { groupid } = await ok(a, { msgid: 8, groupname: "g", groupdesc: "" });
  for (const [name, device] of Object.entries({ phone, loud })) {
    await subscribe(server, device, await service.browser(name), { text: true });
    const { client } = await loginDevice(server, device);
    await ok(client, { msgid: 9, groupid });
    if (device === phone) await ok(client, { msgid: 45, groupid });
    await leave(server, device, client);
  }
  const { name } = phone.user;
  const says = async (msg: string, fields: object = {}) => Number((await ok(a, { msgid: 10, groupid, msg, ...fields })).messageid);
  const edits = async (messageid: number, msg: string) => {
    await ok(a, { msgid: 25, messageid, msg });
    await settled(db, server, a, service);
  };
  const told = (who: string) => service.pushed.filter((one) => one.name === who).map(({ text }) => JSON.parse(text)).map((m) => [m.messageid, m.msg]);
  const one = await says("who comes?"), silent = await says("who?", { silent: true }), gone = await says("and who?");
  await settled(db, server, a, service);
  assertEquals(told("phone"), []);
  await edits(one, `mail to me@${name}.example`);
  await edits(silent, `@${name}, at night`);
  await ok(a, { msgid: 25, messageid: gone, msg: `@${name}` });
  await ok(a, { msgid: 26, messageid: gone });
  await edits(one, "who comes now?");
  assertEquals(told("phone").filter(([id]) => id !== gone), []);
  await edits(one, `who comes, @${name}?`);
  await edits(one, `who comes today, @${name}?`);
  // Said and edited in one round, or in two. What is for one device goes one after the other.
  const three = await says("hello");
  await edits(three, `hello @${name}`);
  await eventually(() => told("phone").some(([id]) => id === three), "what was edited last");
  assertEquals(told("phone").filter(([id]) => id !== gone), [[one, `who comes, @${name}?`], [three, `hello @${name}`]]);
  // Who has not muted it was told of the message.
  assertEquals(told("loud").filter(([id]) => id === silent), []);
  const ids = told("loud").map(([id]) => id);
  assertEquals(ids.length, new Set(ids).size);
});

databaseTest("push: who is spoken to by an edit that comes while its message is looked up is told once", async (db) => {
  await using service = new PushService();
  const watch = new StoreWatch();
  await using server = await startServer(db, SETTINGS, { ...trusting, store: watch.wrap });
  const [ann] = await makeUsers(db, 1);
  await using a = await server.client(ann!, { proto: 3 });
  const [phone] = await makeDevices(server, 1) as [TestDevice];
  await subscribe(server, phone, await service.browser("phone"), { text: true });
  const { groupid } = await ok(a, { msgid: 8, groupname: "g", groupdesc: "" });
  const { client } = await loginDevice(server, phone);
  await ok(client, { msgid: 9, groupid });
  await ok(client, { msgid: 45, groupid });
  await leave(server, phone, client);
  const looked = Promise.withResolvers<void>(), edited = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "pushTargets" && (call.args[0] as unknown[]).length > 0) {
      looked.resolve();
      await edited.promise;
    }
    return await call.run();
  };
  const says = (msg: string) => ok(a, { msgid: 10, groupid, msg });
  const { messageid } = await says("hello");
  await looked.promise;
  await ok(a, { msgid: 25, messageid, msg: `hello @${phone.user.name}` });
  edited.resolve();
  await settled(db, server, a, service);
  // What is for one device goes one after the other.
  const last = await says(`and @${phone.user.name}`);
  await eventually(() => service.pushed.some(({ text }) => JSON.parse(text).messageid === last.messageid), "the last one");
  assertEquals((await service.read(2, "phone")).map((one) => one.messageid), [messageid, last.messageid]);
});
