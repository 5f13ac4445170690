// The contract of the store, on both databases: users, passwords, tokens.

import { assert, assertEquals } from "@std/assert";
import { addUsers, databaseTest } from "./support/databases.ts";

function hash(n: number): Uint8Array {
  return new Uint8Array(32).fill(n);
}

databaseTest("a user is found by id and by key, as created", async (t) => {
  const store = await t.open();
  const id = await store.createUser("张三", "张三", "$scrypt$ln=17,r=8,p=1$c2FsdA$aGFzaA");
  assert(id !== undefined);
  const account = { id, name: "张三", password: "$scrypt$ln=17,r=8,p=1$c2FsdA$aGFzaA", closed: false };
  assertEquals(await store.findUser({ id }), account);
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

databaseTest("a password is replaced only if it still is the old one", async (t) => {
  const store = await t.open();
  const [ada] = await addUsers(store, "ada");
  assertEquals(await store.setPassword(ada, "wrong", "new"), false);
  assertEquals(await store.setPassword(ada, "SECRET", "new"), false);
  assertEquals((await store.findUser({ id: ada }))?.password, "secret");
  assertEquals(await store.setPassword(ada, "secret", "new"), true);
  assertEquals((await store.findUser({ id: ada }))?.password, "new");
  assertEquals(await store.setPassword(ada + 1, "secret", "new"), false);
  const both = await Promise.all([store.setPassword(ada, "new", "one"), store.setPassword(ada, "new", "two")]);
  assertEquals(both.filter((done) => done).length, 1);
  assertEquals((await store.findUser({ id: ada }))?.password, both[0] ? "one" : "two");
});

databaseTest("an account is closed and opened again", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  assertEquals(await store.setClosed(ada, true), true);
  assertEquals(await store.setClosed(ada, true), true);
  assertEquals((await store.findUser({ id: ada }))?.closed, true);
  assertEquals((await store.findUser({ id: bob }))?.closed, false);
  assertEquals(await store.setClosed(ada, false), true);
  assertEquals((await store.findUser({ key: "ada" }))?.closed, false);
  assertEquals(await store.setClosed(bob + 1, true), false);
});

databaseTest("a token leads to its account until it expires", async (t) => {
  const store = await t.open();
  const [ada] = await addUsers(store, "ada");
  const now = Date.now();
  const account = { id: ada, name: "ada", password: "secret", closed: false };
  await store.addToken(ada, hash(1), now + 1000);
  assertEquals(await store.findUserByToken(hash(1), now), { account, expires: now + 1000 });
  assertEquals(await store.findUserByToken(hash(2), now), undefined);
  assertEquals(await store.findUserByToken(hash(1), now + 1001), undefined);
  await store.extendToken(hash(1), now + 5000);
  assertEquals(await store.findUserByToken(hash(1), now + 1001), { account, expires: now + 5000 });
  await store.setClosed(ada, true);
  assertEquals((await store.findUserByToken(hash(1), now))?.account.closed, true);
});

databaseTest("tokens are removed one by one, all but one, and when they have expired", async (t) => {
  const store = await t.open();
  const [ada, bob] = await addUsers(store, "ada", "bob");
  const now = Date.now();
  const held = async () => {
    const found = await Promise.all([1, 2, 3, 4].map((n) => store.findUserByToken(hash(n), 0)));
    return [1, 2, 3, 4].filter((_, i) => found[i] !== undefined);
  };
  for (const n of [1, 2, 3]) await store.addToken(ada, hash(n), now + n * 1000);
  await store.addToken(bob, hash(4), now);
  await store.removeToken(hash(1));
  assertEquals(await held(), [2, 3, 4]);
  await store.removeTokens(ada, hash(3));
  assertEquals(await held(), [3, 4]);
  await store.expireTokens(now + 1000);
  assertEquals(await held(), [3]);
  await store.removeTokens(ada);
  assertEquals(await held(), []);
});

databaseTest("many tokens expire at once", async (t) => {
  const store = await t.open();
  const [ada] = await addUsers(store, "ada");
  const hashes = Array.from({ length: 1100 }, () => crypto.getRandomValues(new Uint8Array(32)));
  await Promise.all(hashes.map((h, i) => store.addToken(ada, h, 1000 + i)));
  await store.expireTokens(2090);
  assertEquals((await t.query("select count(*) as n from token")).map((row) => Number(row.n)), [10]);
});
