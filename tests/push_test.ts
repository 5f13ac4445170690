// Web Push: who has closed the page is told of a message, once, and nobody else; by a push service of the test's own, which decrypts.

import { assert, assertEquals } from "@std/assert";
import { fromBase64 } from "../src/push/encryption.ts";
import { StoreWatch } from "./support/around_store.ts";
import { assertErrno } from "./support/chat.ts";
import { databaseSteps, waitingTests } from "./support/databases.ts";
import { loginDevice, makeDevices, type TestDevice } from "./support/devices.ts";
import { clusterStep, startNode } from "./support/nodes.ts";
import { PushService, trusting } from "./support/push_service.ts";
import { leave, ok, SETTINGS, settled, subscribe } from "./support/pushing.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer } from "./support/server.ts";

waitingTests("push", {
  ...databaseSteps({
    "what a device had not confirmed when its session was lost is pushed when the loss is known": async (db) => {
      await using service = new PushService();
      await using server = await startServer(db, { ...SETTINGS, heartbeat: 2 }, { ...trusting, times: { gone: 6000 } });
      const [ann] = await makeUsers(db, 1);
      await using a = await server.client(ann!, { proto: 3 });
      a.answerPings();
      const [phone] = await makeDevices(server, 1) as [TestDevice];
      const browser = await service.browser("phone");
      // It says nothing any more: its heartbeat tells.
      const { client } = await loginDevice(server, phone);
      await using _ = client;
      await ok(client, { msgid: 48, endpoint: browser.endpoint, keys: browser.keys });
      const { messageid } = await ok(a, { msgid: 6, toid: phone.user.id, msg: "are you there?" });
      assertEquals((await service.read(1)).map((push) => push.messageid), [messageid]);
    },
    "a device without a session is told who wrote where, encrypted and signed by the one key; with the text if it asked for it": async (db) => {
      await using service = new PushService();
      await using server = await startServer(db, SETTINGS, trusting);
      const [ann] = await makeUsers(db, 1);
      const [phone, tablet] = await makeDevices(server, 2) as [TestDevice, TestDevice];
      const key = await subscribe(server, phone, await service.browser("phone"));
      assertEquals(await subscribe(server, tablet, await service.browser("tablet"), { text: true }), key);
      assertEquals(fromBase64(key).length, 65);
      await using a = await server.client(ann!, { proto: 3 });
      const toid = phone.user.id;
      const { messageid, ts } = await ok(a, { msgid: 6, toid, msg: "𠀋".repeat(500) });
      const about = { to: toid, id: ann!.id, name: ann!.name, messageid, ts };
      assertEquals(await service.read(1, "phone"), [about]);
      assertEquals(await service.read(1, "tablet"), [{ ...about, msg: "𠀋".repeat(300) }]);
      for (const { headers, key: by } of service.pushed) {
        assertEquals(by, key);
        assertEquals(["content-encoding", "urgency"].map((name) => headers.get(name)), ["aes128gcm", "high"]);
        // Less what it has waited.
        const ttl = Number(headers.get("ttl"));
        assert(ttl > 86_340 && ttl <= 86_400, `ttl: ${ttl}`);
        assert(/^[\w-]{24}$/.test(headers.get("topic")!), "a topic that says nothing");
      }
      // How long a text is cannot be seen.
      const { groupid } = await ok(a, { msgid: 8, groupname: "a", groupdesc: "" });
      const { client } = await loginDevice(server, phone);
      await ok(client, { msgid: 9, groupid });
      await leave(server, phone, client);
      const said = await ok(a, { msgid: 10, groupid, msg: "to all" });
      const [, second] = await service.read(2, "phone");
      assertEquals(second, { to: toid, id: ann!.id, name: ann!.name, groupid, groupname: "a", messageid: said.messageid, ts: said.ts });
      const [one, other] = service.pushed.filter(({ name }) => name === "phone");
      assertEquals(one!.length, other!.length);
      assert(one!.headers.get("topic") !== other!.headers.get("topic"), "one topic for each conversation");
    },

    "in a muted group what speaks to the user by name, as the page tells of it; nothing of what is archived": async (db) => {
      await using service = new PushService();
      await using server = await startServer(db, SETTINGS, trusting);
      const [ann] = await makeUsers(db, 1);
      await using a = await server.client(ann!, { proto: 3 });
      const [phone] = await makeDevices(server, 1) as [TestDevice];
      const { id: toid, name } = phone.user;
      await subscribe(server, phone, await service.browser("phone"));
      const { groupid } = await ok(a, { msgid: 8, groupname: "g", groupdesc: "" });
      const keeps = async (...requests: ({ msgid: number } & Record<string, unknown>)[]) => {
        const { client } = await loginDevice(server, phone);
        for (const request of requests) await ok(client, request);
        await leave(server, phone, client);
      };
      const says = async (msg: string, fields: object = {}) => (await ok(a, { msgid: 10, groupid, msg, ...fields })).messageid;

      await keeps({ msgid: 9, groupid }, { msgid: 45, groupid }, { msgid: 45, toid: ann!.id });
      await ok(a, { msgid: 6, toid, msg: `@${name}, between two` });
      await says("nobody");
      await says(`mail to me@${name}.example, or @${name}2`);
      await says(`\`@${name}\``);
      await says(`@${name}, at night`, { silent: true });
      await settled(db, server, a, service);
      const spoken = [await says(`and you, @${name.toUpperCase()}?`)];
      assertEquals((await service.read(1, "phone")).map((push) => push.messageid), spoken);
      spoken.push(await says(`${"x ".repeat(10_000)}你好@${name}`));
      assertEquals((await service.read(2, "phone")).map((push) => push.messageid), spoken);

      await keeps({ msgid: 23, userid: ann!.id });
      await says(`@${name}, blocked`);
      await settled(db, server, a, service);
      await keeps({ msgid: 24, userid: ann!.id }, { msgid: 45, groupid, until: 0, archived: true });
      await says(`@${name}, archived`);
      await settled(db, server, a, service);
      assertEquals(service.pushed.filter((one) => one.name === "phone").length, 2);
    },

    "a subscription goes with its device, by whatever way that goes, and is taken over by who has the endpoint": async (db) => {
      await using service = new PushService();
      await using server = await startServer(db, SETTINGS, trusting);
      const left = async () =>
        (await db.query("select userid, device from push order by userid, device")).map(({ userid, device }) => [userid, device]);
      const devices = await makeDevices(server, 5) as [TestDevice, TestDevice, TestDevice, TestDevice, TestDevice];
      const [one, two, three, four, five] = devices;
      const id = one.user.id;
      for (const device of devices) await subscribe(server, device, await service.browser(`d${device.id}`));
      assertEquals((await left()).length, 5);
      const [stranger] = await makeDevices(server, 1) as [TestDevice];
      await subscribe(server, stranger, await service.browser("d1"));
      assertEquals(await left(), [[id, two.id], [id, three.id], [id, four.id], [id, five.id], [stranger.user.id, 1]]);
      const { client: second } = await loginDevice(server, two);
      await ok(second, { msgid: 3 });
      assertEquals(await left(), [[id, three.id], [id, four.id], [id, five.id], [stranger.user.id, 1]]);
      const { client } = await loginDevice(server, three);
      await ok(client, { msgid: 34, device: four.id });
      assertEquals(await left(), [[id, three.id], [id, five.id], [stranger.user.id, 1]]);
      await ok(client, { msgid: 22, old: "secret", new: "another" });
      assertEquals(await left(), [[id, three.id], [stranger.user.id, 1]]);
      await ok(client, { msgid: 44, password: "another" });
      assertEquals(await left(), [[stranger.user.id, 1]]);
      await Promise.all([second, client].map((one) => one.close()));
    },

    "what is no endpoint is refused, and device 0, which nobody has alone, has none": async (db) => {
      await using service = new PushService();
      await using server = await startServer(db, { limits: "off" });
      const [device] = await makeDevices(server, 1) as [TestDevice];
      const { client } = await loginDevice(server, device);
      await using c = client;
      const { keys } = await service.browser("x");
      const good = "https://push.example.org/x";
      const urls = [
        "http://push.example.org/",
        "https://a:b@push.example.org/",
        "https://localhost/",
        "https://127.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
      ];
      for (const endpoint of [...urls, "https://[::ffff:a00:1]/", "https://db.internal/", "x", `${good}${"x".repeat(1000)}`]) {
        assertErrno(await c.request({ msgid: 48, endpoint, keys }), 13, endpoint);
      }
      for (const wrong of [{}, { ...keys, auth: "x" }, { ...keys, p256dh: "B" + "A".repeat(86) }]) {
        assertErrno(await c.request({ msgid: 48, endpoint: good, keys: wrong }), 13, JSON.stringify(wrong));
      }
      assertErrno(await c.request({ msgid: 48, endpoint: good }), 13);
      assertEquals((await ok(c, { msgid: 48, endpoint: good, keys })).endpoint, good);
      const [bob] = await makeUsers(db, 1);
      await using b = await server.client(bob!, { proto: 3 });
      assertErrno(await b.request({ msgid: 48 }), 28);
      // 3.7: 13 before 28.
      assertErrno(await b.request({ msgid: 48, endpoint: urls[0], keys }), 13);
    },

    "a server that pushes nothing says so": async (db) => {
      await using server = await startServer(db, { limits: "off", push: "off" });
      const [device] = await makeDevices(server, 1) as [TestDevice];
      const { client, ack } = await loginDevice(server, device);
      await using c = client;
      assertEquals((ack.features as string[]).includes("push"), false);
      assertErrno(await c.request({ msgid: 48 }), 22);
      // 3.7: 13 and 28 before 22.
      await using service = new PushService();
      const { keys } = await service.browser("x");
      assertErrno(await c.request({ msgid: 48, endpoint: "https://localhost/", keys }), 13);
      const [bob] = await makeUsers(db, 1);
      await using b = await server.client(bob!, { proto: 3 });
      assertErrno(await b.request({ msgid: 48 }), 28);
      assertEquals(await db.query("select * from push_key"), []);
    },

    "not who is here, who muted, who blocks, what is silent, what was read or deleted, one's own; nor who logged out": async (db) => {
      await using service = new PushService();
      // A device that is here has so long to confirm.
      const GONE = 4000;
      await using server = await startServer(db, SETTINGS, { ...trusting, times: { gone: GONE } });
      const [ann] = await makeUsers(db, 1);
      await using a = await server.client(ann!, { proto: 3 });
      const [phone, laptop] = await makeDevices(server, 2) as [TestDevice, TestDevice];
      const toid = phone.user.id;
      await subscribe(server, phone, await service.browser("phone"));
      const { client: here } = await loginDevice(server, laptop);
      await using l = here;
      const browser = await service.browser("laptop");
      await ok(l, { msgid: 48, endpoint: browser.endpoint, keys: browser.keys });
      const said = async (fields: object, to: object = { msgid: 6, toid }) => await ok(a, { ...to, ...fields } as { msgid: number });
      const { groupid } = await ok(a, { msgid: 8, groupname: "g", groupdesc: "" });
      const inGroup = { msgid: 10, groupid };
      await ok(l, { msgid: 9, groupid });

      await said({ msg: "silent", silent: true });
      await ok(l, { msgid: 45, toid: ann!.id });
      await said({ msg: "muted" });
      await settled(db, server, a, service);
      await ok(l, { msgid: 45, toid: ann!.id, until: 0 });
      await ok(l, { msgid: 23, userid: ann!.id });
      await said({ msg: "blocked, in the group" }, inGroup);
      await settled(db, server, a, service);
      await ok(l, { msgid: 24, userid: ann!.id });
      await ok(l, { msgid: 6, toid: ann!.id, msg: "one's own" });
      await ok(l, { msgid: 6, toid, msg: "a note" });
      await ok(l, { msgid: 10, groupid, msg: "one's own, to all" });
      await settled(db, server, a, service);
      assertEquals(service.pushed.filter(({ name }) => ["phone", "laptop"].includes(name)), []);

      // The laptop is here, and confirms: it is told nothing, the phone is.
      const { messageid } = await said({ msg: "news" });
      const got = await l.next((m) => m.msg === "news");
      l.send({ msgid: 12, seq: got.seq! });
      assertEquals((await service.read(1, "phone")).map((push) => push.messageid), [messageid]);
      await eventually(
        async () => (await db.query(`select count(*) as n from device where userid = ${toid} and confirmed_seq >= ${got.seq}`))[0]?.n == 1,
        "confirmed",
      );
      await new Promise((resolve) => setTimeout(resolve, GONE + 500));
      assertEquals(service.pushed.filter(({ name }) => name === "laptop"), []);

      // Off, and logged out.
      const { client: p } = await loginDevice(server, phone);
      assertEquals(Object.keys(await ok(p, { msgid: 48 })).includes("endpoint"), true);
      await ok(p, { msgid: 48, off: true });
      assertEquals(Object.keys(await ok(p, { msgid: 48 })).includes("endpoint"), false);
      await p.close();
      await ok(l, { msgid: 3 });
      await said({ msg: "nobody" });
      await settled(db, server, a, service);
      assertEquals(service.pushed.filter(({ name }) => ["phone", "laptop"].includes(name)).length, 1);
    },
    "what a device had not confirmed is pushed, also if it takes longer until its session is known to be lost": async (db) => {
      await using service = new PushService();
      const watch = new StoreWatch();
      await using server = await startServer(db, SETTINGS, { ...trusting, store: watch.wrap, times: { gone: 500 } });
      const [ann] = await makeUsers(db, 1);
      await using a = await server.client(ann!, { proto: 3 });
      const [phone] = await makeDevices(server, 1) as [TestDevice];
      const browser = await service.browser("phone");
      const { client } = await loginDevice(server, phone);
      await ok(client, { msgid: 48, endpoint: browser.endpoint, keys: browser.keys });
      const again = Promise.withResolvers<void>();
      let looks = 0;
      watch.around = async ({ name, run }) => {
        const result = await run();
        if (name === "pushTargets" && ++looks === 2) again.resolve();
        return result;
      };
      const { messageid } = await ok(a, { msgid: 6, toid: phone.user.id, msg: "are you there?" });
      await again.promise;
      await client.close();
      assertEquals((await service.read(1)).map((push) => push.messageid), [messageid]);
    },
    "what a device had not confirmed when the server stops is pushed before that": async (db) => {
      await using service = new PushService();
      await using server = await startServer(db, SETTINGS, { ...trusting, times: { gone: 60_000 } });
      const [ann] = await makeUsers(db, 1);
      await using a = await server.client(ann!, { proto: 3 });
      const devices = await makeDevices(server, 2) as [TestDevice, TestDevice];
      const clients: RawClient[] = [];
      for (const [i, device] of devices.entries()) {
        const { client } = await loginDevice(server, device);
        const { endpoint, keys } = await service.browser(`d${i}`);
        await ok(client, { msgid: 48, endpoint, keys });
        clients.push(client);
      }
      const { messageid } = await ok(a, { msgid: 6, toid: devices[0].user.id, msg: "are you there?" });
      const { seq } = await clients[1]!.next((m) => m.msg === "are you there?");
      clients[1]!.send({ msgid: 12, seq: seq! });
      // Both have a session when it is looked up.
      await settled(db, server, a, service);
      await server.server.close();
      const pushed = service.pushed.filter(({ name }) => name === "d0" || name === "d1");
      assertEquals(pushed.map(({ name, text }) => [name, JSON.parse(text).messageid]), [["d0", messageid]]);
      for (const client of clients) await client.close();
    },
    "what is tried again is not sent where the device is not told any more": async (db) => {
      await using service = new PushService();
      await using server = await startServer(db, SETTINGS, { push: { ...trusting.push, retry: 1000 } });
      const [ann] = await makeUsers(db, 1);
      await using a = await server.client(ann!, { proto: 3 });
      const [phone, tablet] = await makeDevices(server, 2) as [TestDevice, TestDevice];
      for (const [name, device] of Object.entries({ phone, tablet })) {
        service.answers.set(name, 503);
        await subscribe(server, device, await service.browser(name));
      }
      await ok(a, { msgid: 6, toid: phone.user.id, msg: "between us" });
      await eventually(() => service.asked >= 2, "both were tried");
      const { client } = await loginDevice(server, phone);
      await ok(client, { msgid: 48, off: true });
      await leave(server, phone, client);
      service.answers.clear();
      // Each time that it fails it waits six times as long.
      await eventually(() => service.pushed.some(({ name }) => name === "tablet"), "the tablet is told", 90_000);
      await settled(db, server, a, service);
      assertEquals(service.pushed.filter(({ name }) => name === "phone").length, 0);
    },
    "410 removes the subscription; what fails otherwise is tried again; what is dead or slow keeps nobody waiting": async (db) => {
      await using service = new PushService();
      const TIMEOUT = 6000;
      await using server = await startServer(db, { ...SETTINGS, http: "127.0.0.1:0" }, { push: { ...trusting.push, timeout: TIMEOUT, retry: 300 } });
      const [ann] = await makeUsers(db, 1);
      await using a = await server.client(ann!, { proto: 3 });
      const devices = await makeDevices(server, 13);
      const hung = Promise.withResolvers<number>();
      // Nothing listens, and what listens says nothing.
      const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const accepted: Deno.Conn[] = [];
      const accepting = (async () => {
        for await (const conn of silent) accepted.push(conn);
      })();
      for (const [i, device] of devices.entries()) {
        const browser = await service.browser(`d${i}`);
        if (i < 5) service.answers.set(`d${i}`, hung.promise);
        if (i === 5) service.answers.set("d5", 410);
        if (i === 6) service.answers.set("d6", 503);
        if (i === 7) browser.endpoint = "https://localhost:1/x";
        if (i === 8) browser.endpoint = `https://localhost:${silent.addr.port}/x`;
        await subscribe(server, device, browser);
      }
      const begun = performance.now();
      await ok(a, { msgid: 6, toid: devices[0]!.user.id, msg: "hello" });
      await service.read(4, "d9", "d10", "d11", "d12");
      assert(performance.now() - begun < TIMEOUT, "before anything has timed out");
      await eventually(async () => (await db.query("select count(*) as n from push"))[0]!.n == 12, "the one that is gone");
      service.answers.delete("d6");
      assertEquals((await service.read(1, "d6")).length, 1);
      const metrics = async () => await (await fetch(`http://127.0.0.1:${server.server.addresses.http!.port}/metrics`)).text();
      await eventually(async () => /natter_pushes_total\{result="failed"\} ([89]|\d\d)\n/.test(await metrics()), "five hung, one refused, two dead");
      const body = await metrics();
      assert(/natter_pushes_total\{result="sent"\} [5-9]\n/.test(body) && /natter_pushes_total\{result="gone"\} 1\n/.test(body), body);
      hung.resolve(201);
      for (let i = 0; i < 5; i++) service.answers.delete(`d${i}`);
      assert((await service.read(5, ...[0, 1, 2, 3, 4].map((i) => `d${i}`))).length >= 5);
      silent.close();
      await accepting.catch(() => {});
      for (const conn of accepted) conn.close();
    },
  }),
  "on two nodes a message is pushed once, by the one key, wherever it was said and the device was": clusterStep(async (db) => {
    await using service = new PushService();
    const overrides = { ...trusting, times: { subscriptions: 50 } };
    await using a = await startNode(db, "a", overrides, SETTINGS);
    await using b = await startNode(db, "b", overrides, SETTINGS);
    const [ann, bob] = await makeUsers(db, 2);
    await using onA = await a.client(ann!, { proto: 3 });
    await using onB = await b.client(bob!, { proto: 3 });
    const [phone] = await makeDevices(b, 1) as [TestDevice];
    const key = await subscribe(b, phone, await service.browser("phone"));
    const toid = phone.user.id;
    // The other node learns of it within its interval.
    const said = new Set<unknown>();
    await eventually(async () => {
      said.add((await ok(onA, { msgid: 6, toid, msg: "x" })).messageid);
      return service.pushed.length > 0;
    }, "node a has heard of it");
    for (let i = 0; i < 5; i++) {
      const [from, one] = i % 2 ? [onA, ann] : [onB, bob];
      const { groupid } = await ok(from!, { msgid: 8, groupname: `g${i}`, groupdesc: "" });
      const { client } = await loginDevice(i % 2 ? b : a, phone);
      await ok(client, { msgid: 9, groupid });
      await leave(i % 2 ? b : a, phone, client);
      const { messageid } = await ok(from!, { msgid: 10, groupid, msg: one!.name });
      await eventually(() => service.pushed.some(({ text }) => JSON.parse(text).messageid === messageid), `message ${messageid}`);
    }
    await settled(db, a, onA, service);
    await settled(db, b, onB, service);
    const pushed = service.pushed.filter(({ name }) => name === "phone");
    assertEquals([...new Set(pushed.map((one) => one.key))], [key]);
    const ids = pushed.map(({ text }) => JSON.parse(text).messageid);
    assertEquals(ids.length, new Set(ids).size, "each once");
  }),
});
