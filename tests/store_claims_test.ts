// The contract of the store, on both databases: who gets a device.

import { assert, assertEquals } from "@std/assert";
import type { Claiming, SessionKey } from "../src/store/store.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { addDevice, claim, hash, online, release, states, tryClaim } from "./support/stores.ts";

databaseTest("claims are fenced before the node has joined", async (t) => {
  const store = await t.open();
  const [ada] = await addUsers(store, "ada");
  assertEquals(await tryClaim(store, ada, "s1"), { result: "fenced" });
  assertEquals(await tryClaim(store, ada, "s1", { device: { name: "phone" } }), { result: "fenced" });
  assertEquals(await states(t), ["offline"]);
  assertEquals((await store.join("n1")).length, 0);
  assertEquals(await tryClaim(store, ada, "s1"), { result: "claimed", device: { id: 0, name: "" }, removed: undefined });
  assertEquals(await states(t), ["online"]);
});

databaseTest("a held device is claimed only by taking over the session that holds it", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const phone = await addDevice(store, ada, "phone", "s1");
  await release(store, phone);
  for (const device of [0, phone.device]) {
    const key = `${device} `;
    await claim(store, ada, `${key}1`, { device });
    assertEquals(await tryClaim(store, ada, `${key}2`, { device }), { result: "held", session: `${key}1`, node: "n1" });
    assertEquals(await tryClaim(store, ada, `${key}2`, { device, takeover: `${key}0` }), { result: "held", session: `${key}1`, node: "n1" });
    await claim(store, ada, `${key}2`, { device, takeover: `${key}1` });
    assertEquals(await store.holder(ada, device), { session: `${key}2`, node: "n1" });
    assertEquals(await tryClaim(store, ada, `${key}3`, { device, takeover: `${key}1` }), { result: "held", session: `${key}2`, node: "n1" });
    await release(store, { userId: ada, device, session: `${key}2` });
    assertEquals(await store.holder(ada, device), undefined);
    await claim(store, ada, `${key}3`, { device, takeover: `${key}1` });
  }
});

databaseTest("of many claims of a device at once exactly one wins, and the others hear of it", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const { version } = (await store.findUser({ id: ada }))!;
  const ask = (session: string) => store.claim({ userId: ada, session, proof: { version }, device: 0, address: "", at: 1 });
  for (let round = 0; round < 20; round++) {
    const claims = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(`${round}-${i}`)));
    const winners = claims.flatMap((c, i) => c.result === "claimed" ? [`${round}-${i}`] : []);
    assertEquals(winners.length, 1);
    for (const c of claims) if (c.result !== "claimed") assertEquals(c, { result: "held", session: winners[0]!, node: "n1" });
    await release(store, { userId: ada, device: 0, session: winners[0]! });
  }
});

databaseTest("claims of many users at once: each has its own session, or hears who holds the device", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const users = await addUsers(store, ...Array.from({ length: 100 }, (_, i) => `user${i}`));
  for (const id of users.slice(0, 20)) await claim(store, id, `old${id}`);
  const claims = await Promise.all(
    users.toReversed().map((id, i) => tryClaim(store, id, `new${id}`, i >= 90 ? { takeover: `old${id}` } : {})),
  );
  assertEquals(
    claims.map((c) => c.result === "held" ? c.session : c.result),
    users.toReversed().map((id, i) => i >= 80 && i < 90 ? `old${id}` : "claimed"),
  );
  const rows = await t.query("select userid, session from device order by userid");
  assertEquals(rows.map((row) => row.session), users.map((id, i) => i >= 10 && i < 20 ? `old${id}` : `new${id}`));
});

databaseTest("devices of a user come and go at the same moment: the state is what their rows say, and lastseen never falls", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const devices = [0, (await addDevice(store, ada, "a", "a")).device, (await addDevice(store, ada, "b", "b")).device];
  await store.release([{ userId: ada, device: 1, session: "a", lastseen: 1 }, { userId: ada, device: 2, session: "b", lastseen: 1 }]);
  /** Who holds each device; undefined: nobody. */
  const held: (SessionKey | undefined)[] = [undefined, undefined, undefined];
  let clock = 1000;
  let lastseen = 0;
  for (let round = 0; round < 60; round++) {
    const moves = devices.filter((device) => (round * 7 + device * 3) % 4 !== 0);
    await Promise.all(moves.map(async (device) => {
      const at = clock++;
      const before = held[device];
      if (before) await release(store, before, at);
      else held[device] = await claim(store, ada, `${round} ${device}`, { device });
      if (before) held[device] = undefined;
    }));
    const sessions = held.filter((key) => key !== undefined).length;
    assertEquals(await online(t, ada), [sessions > 0 ? "online" : "offline", sessions], `round ${round}`);
    const where = (await store.whereabouts([ada])).get(ada)!;
    assertEquals(where.nodes, sessions > 0 ? ["n1"] : []);
    assert((where.lastseen ?? 0) >= lastseen, `lastseen fell from ${lastseen} to ${where.lastseen}`);
    lastseen = where.lastseen ?? 0;
  }
});

databaseTest("who looks while devices of a user come and go sees a state that fits the rows, at every moment", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const phone = await addDevice(store, ada, "phone", "p");
  await release(store, phone);
  let going = true;
  const coming = (async () => {
    for (let i = 0; i < 40; i++) {
      const [first, second] = await Promise.all([claim(store, ada, `0 ${i}`), claim(store, ada, `1 ${i}`, { device: phone.device })]);
      await Promise.all([release(store, first!), release(store, second!)]);
    }
    going = false;
  })();
  let seen = 0;
  while (going) {
    // One statement is one committed state.
    const [row] = await t.query(
      `select state, (select count(*) from device where userid = ${ada} and session is not null) as n from user where id = ${ada}`,
    );
    assertEquals(row!.state, Number(row!.n) > 0 ? "online" : "offline");
    seen++;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await coming;
  assert(seen > 3);
});

databaseTest("a claim's proof is looked at in the claim: the token, or the version of the password", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const later = Date.now() + 1e6;
  const phone = await claim(store, ada, "p1", { device: { name: "phone" }, token: { hash: hash(1), expires: later } });
  await release(store, phone);
  await claim(store, ada, "0", { token: { hash: hash(2), expires: later } });
  const byToken = (n: number, device: number, userId = ada) => tryClaim(store, userId, "s", { proof: { token: hash(n) }, device });
  const invalid = { result: "refused" as const, errno: "INVALID" as const };
  assertEquals(await byToken(3, 0), invalid);
  assertEquals(await byToken(2, phone.device), invalid);
  assertEquals(await byToken(1, 0), invalid);
  assertEquals(await byToken(1, phone.device, bob), invalid);
  assertEquals(await byToken(1, 7), invalid);
  assertEquals((await byToken(1, phone.device)).result, "claimed");
  await store.release([{ ...phone, session: "s", lastseen: 1 }]);
  await store.removeToken(hash(1));
  assertEquals(await byToken(1, phone.device), invalid);
  // By password: a device that is gone is not made anew.
  assertEquals(await tryClaim(store, ada, "s", { device: 9 }), invalid);
  assertEquals(await tryClaim(store, bob + 1, "s"), invalid);
  const { version } = (await store.findUser({ id: bob }))!;
  await store.rehash(bob, version, "rehashed");
  await claim(store, bob, "b1", { proof: { version } });
  await release(store, { userId: bob, device: 0, session: "b1" });
  await store.setPassword(bob, version, "new");
  assertEquals(await tryClaim(store, bob, "b2", { proof: { version } }), invalid);
  assertEquals(await tryClaim(store, bob, "b2", { proof: { version }, device: { name: "x" } }), invalid);
  await store.setClosed(bob, true);
  assertEquals(await tryClaim(store, bob, "b2", { proof: { version } }), invalid);
  assertEquals(await tryClaim(store, bob, "b2"), { result: "refused", errno: "CLOSED" });
  await store.setClosed(bob, false);
  await claim(store, bob, "b2");
  assertEquals((await store.devices(bob)).length, 1);
});

databaseTest("a ban or a new password beside a claim: whichever comes first, nobody is in afterwards", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const users = await addUsers(store, ...Array.from({ length: 20 }, (_, i) => `user${i}`));
  for (const [i, userId] of users.entries()) {
    const { version } = (await store.findUser({ id: userId }))!;
    const token = { hash: hash(i + 1), expires: Date.now() + 1e6 };
    const device = i % 4 < 2 ? 0 : { name: "x" };
    const claiming: Claiming = { userId, session: `s${i}`, proof: { version }, device, token, address: "", at: 1 };
    const end = () => i % 2 === 0 ? store.setClosed(userId, true) : store.setPassword(userId, undefined, "new");
    const early = i % 3 === 0 ? end() : undefined;
    const claimed = store.claim(claiming);
    const ended = await (early ?? end());
    assertEquals(ended?.length, (await claimed).result === "claimed" ? 1 : 0);
    assertEquals(await online(t, userId), ["offline", 0]);
    if (i % 2 === 1) assertEquals(await store.findUserByToken(token.hash, 0), undefined);
  }
});
