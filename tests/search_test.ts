// SEARCH over the wire, and how soon what is said can be found.

import { assert, assertEquals } from "@std/assert";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, spawnServer, startServer, type TestUser } from "./support/server.ts";

const search = async (client: RawClient, text: string, fields: object = {}) => {
  const { errno, messages, more } = await client.request({ msgid: 43, text, ...fields });
  return errno === 0 ? { texts: (messages as Message[]).map((m) => m.msg), messages: messages as Message[], more } : { errno };
};

databaseTest("SEARCH: newest first, by pages; only what the asker may see; errors as HISTORY's", async (db) => {
  await using s = await startServer(db, { limits: "off" }, { times: { index: 50 } });
  const [ada, bob, cy] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  await using a = await s.client(ada);
  await using b = await s.client(bob);
  await using c = await s.client(cy);
  const { groupid } = await b.request({ msgid: 8, groupname: "fruit", groupdesc: "" });
  await a.request({ msgid: 9, groupid });
  for (let i = 0; i < 5; i++) await a.request({ msgid: 6, toid: bob.id, msg: `Äpfel und Birnen ${i}` });
  await b.request({ msgid: 10, groupid, msg: "apfelbaum" });
  const long = "lorem ipsum ".repeat(200) + "apfel" + " dolor".repeat(200);
  await c.request({ msgid: 6, toid: ada.id, msg: long });
  await eventually(async () => (await search(a, "apfel")).texts?.length === 7, "found within 5 s", 5000);

  const [excerpt] = (await search(a, "apfel", { from: cy.id })).texts!;
  assert(excerpt!.includes(" apfel ") && excerpt!.startsWith("…") && excerpt!.endsWith("…"), excerpt);
  assertEquals([...excerpt!].length, 300);
  const pears = await search(a, "apf birnen", { limit: 2 });
  assertEquals([pears.texts, pears.more], [[], false], "not the last word");
  const page = await search(b, "birnen äpf", { limit: 2 });
  assertEquals([page.texts, page.more], [["Äpfel und Birnen 4", "Äpfel und Birnen 3"], true]);
  const next = await search(b, "birnen äpf", { limit: 50, before: page.messages!.at(-1)!.messageid });
  assertEquals([next.texts, next.more], [["Äpfel und Birnen 2", "Äpfel und Birnen 1", "Äpfel und Birnen 0"], false]);
  assertEquals((await search(a, "birnen", { toid: bob.id, from: bob.id })).texts, []);
  assertEquals((await search(a, "birnen", { toid: bob.id, from: ada.id })).texts?.length, 5);
  assertEquals((await search(a, "apfelb")).texts, ["apfelbaum"]);
  assertEquals((await search(c, "apfelb")).texts, []);
  await a.request({ msgid: 19, groupid });
  assertEquals((await search(a, "apfelb")).texts, [], "left");
  assertEquals(await search(a, "apfelb", { groupid }), { errno: 18 });
  assertEquals(await search(a, "x", { groupid: 2 ** 50 }), { errno: 17 });
  assertEquals(await search(a, "x", { toid: 2 ** 30 }), { errno: 16 });
  for (const [text, fields] of [["", {}], ["x".repeat(101), {}], ["x", { limit: 51 }], ["x", { from: "bob" }]] as const) {
    assertEquals(await search(a, text, fields), { errno: 13 });
  }
});

databaseTest("SEARCH: a new message is found within 5 s, also after the process that indexes was killed", async (db) => {
  await (await db.open()).close();
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  const ask = async (port: () => Promise<RawClient>) => {
    const client = await port();
    await client.login({ id: ada.id, token: ada.token, proto: 2 });
    return client.answerPings();
  };
  const first = await spawnServer(db, { limits: "off" });
  await using client = await ask(() => first.connect());
  for (let i = 0; i < 200; i++) assertEquals((await client.request({ msgid: 6, toid: bob.id, msg: `before ${i}` })).errno, 0);
  await first.stop("SIGKILL");
  await using second = await spawnServer(db, { limits: "off" });
  await using again = await ask(() => second.connect());
  assertEquals((await again.request({ msgid: 6, toid: bob.id, msg: "after all" })).errno, 0);
  await eventually(async () => (await search(again, "after")).texts?.length === 1, "the new one", 5000);
  for (const i of [0, 99, 199]) assertEquals((await search(again, `before ${i} `)).texts, i === 0 ? ["before 0"] : [`before ${i}`]);
});
