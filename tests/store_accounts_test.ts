// The contract of the store, on both databases: users, passwords, tokens.

import { assert, assertEquals } from "@std/assert";
import { addUsers, databaseTest } from "./support/databases.ts";
import { claim, hash, release } from "./support/stores.ts";

databaseTest("a user is found by id and by key, as created", async (t) => {
  const store = await t.open();
  const id = await store.createUser("张三", "张三", "$scrypt$ln=17,r=8,p=1$c2FsdA$aGFzaA");
  assert(id !== undefined);
  const found = await store.findUser({ id });
  const account = { id, name: "张三", password: "$scrypt$ln=17,r=8,p=1$c2FsdA$aGFzaA", version: found!.version, closed: false };
  assertEquals(found, account);
  assertEquals(await store.findUser({ key: "张三" }), account);
  assertEquals(await store.findUser({ id: id + 1 }), undefined);
  assertEquals(await store.findUser({ key: "李四" }), undefined);
  assertEquals(await t.query(`select state, lastseen from user where id = ${id}`), [{ state: "offline", lastseen: null }]);
});

databaseTest("names keep every character, and keys are compared as they are", async (t) => {
  const store = await t.open();
  const names = ["👩‍🚀", "👩", "Ünïcödé", "Unicode", 'O\'Brien \\ "x" %_', "a", "á", "ä", "ß", "ss", "𝒳"];
  const ids = await addUsers(store, ...names);
  assertEquals(new Set(ids).size, names.length);
  for (let i = 0; i < names.length; i++) {
    assertEquals((await store.findUser({ id: ids[i] }))?.name, names[i]);
    assertEquals((await store.findUser({ key: names[i] }))?.id, ids[i]);
  }
});

databaseTest("a key is given once, however many ask at the same time", async (t) => {
  const stores = [await t.open(), await t.open()];
  for (let round = 0; round < 10; round++) {
    const asked = Array.from({ length: 16 }, (_, i) => stores[i % 2].createUser(`Ada ${i}`, `ada${round}`, "secret"));
    const ids = (await Promise.all(asked)).filter((id) => id !== undefined);
    assertEquals(ids.length, 1);
    assertEquals((await stores[0].findUser({ key: `ada${round}` }))?.id, ids[0]);
  }
});

databaseTest("a password is replaced only if it still is of that version; a rehash is none", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const account = async () => {
    const { password, version } = (await store.findUser({ id: ada }))!;
    return { password, version };
  };
  const { version } = await account();
  assertEquals(await store.setPassword(ada, version + 1, "new"), undefined);
  assertEquals(await account(), { password: "secret", version });
  await store.rehash(ada, version, "secret again");
  assertEquals(await account(), { password: "secret again", version });
  assertEquals(await store.setPassword(ada, version, "new"), []);
  const second = await account();
  assertEquals(second.password, "new");
  assert(second.version > version);
  // What was hashed meanwhile is of the password before.
  await store.rehash(ada, version, "secret once more");
  assertEquals(await account(), second);
  assertEquals(await store.setPassword(bob + 1, version, "new"), undefined);
  const both = await Promise.all([store.setPassword(ada, second.version, "one"), store.setPassword(ada, second.version, "two")]);
  assertEquals(both.filter((done) => done).length, 1);
  assertEquals((await account()).password, both[0] ? "one" : "two");
  await store.setPassword(ada, undefined, "by an operator");
  assertEquals((await account()).password, "by an operator");
  assertEquals((await store.findUser({ id: bob }))!.password, "secret");
});

databaseTest("an account is closed and opened again", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  assertEquals(await store.setClosed(ada, true), []);
  assertEquals(await store.setClosed(ada, true), []);
  assertEquals((await store.findUser({ id: ada }))?.closed, true);
  assertEquals((await store.findUser({ id: bob }))?.closed, false);
  assertEquals(await store.setClosed(ada, false), []);
  assertEquals((await store.findUser({ key: "ada" }))?.closed, false);
  assertEquals(await store.setClosed(bob + 1, true), undefined);
});

databaseTest("a token leads to its account and its device until it expires", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const now = Date.now();
  const { version } = (await store.findUser({ id: ada }))!;
  const account = { id: ada, name: "ada", password: "secret", version, closed: false };
  const phone = await claim(store, ada, "p", { device: { name: "phone" }, token: { hash: hash(1), expires: now + 1000 } });
  await claim(store, ada, "0", { token: { hash: hash(2), expires: now + 1000 } });
  assertEquals(await store.findUserByToken(hash(1), now), { account, device: phone.device, expires: now + 1000 });
  assertEquals((await store.findUserByToken(hash(2), now))?.device, 0);
  assertEquals(await store.findUserByToken(hash(3), now), undefined);
  assertEquals(await store.findUserByToken(hash(1), now + 1001), undefined);
  await store.extendToken(hash(1), now + 5000);
  assertEquals(await store.findUserByToken(hash(1), now + 1001), { account, device: phone.device, expires: now + 5000 });
  await store.setClosed(ada, true);
  assertEquals((await store.findUserByToken(hash(1), now))?.account.closed, true);
});

databaseTest("tokens are removed one by one, and one that is gone is not extended", async (t) => {
  const store = await t.open();
  await store.join("n1");
  const [ada] = await addUsers(store, "ada");
  const now = Date.now();
  for (const n of [1, 2]) await release(store, await claim(store, ada, `s${n}`, { token: { hash: hash(n), expires: now + 1000 } }));
  await store.removeToken(hash(1));
  await store.removeToken(hash(1));
  await store.extendToken(hash(1), now + 5000);
  assertEquals(await store.findUserByToken(hash(1), now), undefined);
  assert(await store.findUserByToken(hash(2), now));
});

databaseTest("users are found by ids and by keys, and by how their keys begin", async (t) => {
  const store = await t.open();
  const names = ["ann", "Anna", "anna", "annb", "an", "b", "张三", "张三丰", "a%", "a_", "ann\u{10FFFF}", "ann👩‍🚀"];
  const ids = await addUsers(store, ...names);
  const user = (i: number) => ({ id: ids[i], name: names[i] });
  assertEquals(await store.findUsers({ ids: [ids[3], ids[0], ids[0], ids[11] + 1] }), [user(0), user(3)]);
  assertEquals(await store.findUsers({ keys: ["张三", "anna", "nobody"] }), [user(2), user(6)]);
  assertEquals(await store.findUsers({ ids: [] }), []);
  assertEquals(await store.findUsers({ keys: [] }), []);
  const begin = async (prefix: string, limit = 20) => (await store.findByPrefix(prefix, limit)).map((u) => u.name);
  assertEquals((await begin("ann")).sort(), ["ann", "anna", "annb", "ann\u{10FFFF}", "ann👩‍🚀"].sort());
  assertEquals(await begin("ann", 3), ["ann", "anna", "annb"]);
  assertEquals(await begin("张"), ["张三", "张三丰"]);
  assertEquals([await begin("a%"), await begin("a_"), await begin("A"), await begin("x")], [["a%"], ["a_"], ["Anna"], []]);
  const many = await addUsers(store, ...Array.from({ length: 120 }, (_, i) => `u${i}`));
  assertEquals((await store.findUsers({ ids: many })).map((u) => u.id), many.slice(0, 100));
});
