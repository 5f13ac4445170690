// The order of messages, and of their answers.

import { assertEquals } from "@std/assert";
import { StoreWatch } from "./support/around_store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { databaseTest } from "./support/databases.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";

databaseTest("order: 1,000 messages in one write arrive in order", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using sender = await s.client(ada);
  await using receiver = await s.client(bob);
  sender.sendBytes(Array.from({ length: 1000 }, (_, i) => JSON.stringify({ msgid: 6, toid: bob.id, msg: `m${i}` }) + "\n").join(""));
  for (let i = 0; i < 1000; i++) {
    const { seq, msg } = await receiver.next((m) => m.msgid === 6);
    assertEquals([seq, msg], [i + 1, `m${i}`]);
  }
});

databaseTest("order: two senders to one receiver: each one's order holds, seq has no gap, messageid rises", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ada, bob, eve] = await makeUsers(db, 3) as [TestUser, TestUser, TestUser];
  const senders = [await s.client(ada), await s.client(bob)];
  await using receiver = await s.client(eve);
  for (let i = 0; i < 500; i++) for (const [k, sender] of senders.entries()) sender.send({ msgid: 6, toid: eve.id, msg: `${k} ${i}` });
  const texts: string[][] = [[], []];
  let last = 0;
  for (let seq = 1; seq <= 1000; seq++) {
    const message = await receiver.next((m) => m.msgid === 6);
    assertEquals(message.seq, seq);
    if ((message.messageid as number) <= last) throw new Error("messageid does not rise");
    last = message.messageid as number;
    const [k, text] = (message.msg as string).split(" ");
    texts[Number(k)]!.push(text!);
  }
  for (const own of texts) assertEquals(own, Array.from({ length: 500 }, (_, i) => String(i)));
  for (const sender of senders) await sender.close();
});

databaseTest("order: CHAT and GROUP_CHAT are answered in the order they came, the ones that fail too", async (db) => {
  await using s = await startServer(db, { limits: "off" });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using sender = await s.client(ada);
  const lines = [
    { toid: bob.id, msg: "stored" },
    { toid: bob.id, msg: "" },
    { toname: "nobody", msg: "x" },
    { toname: bob.name, msg: "stored" },
    { toid: 999_999, msg: "x" },
    { toid: bob.id, msg: "stored", mid: 7 },
    { msgid: 10, groupid: 999_999, msg: "x" },
    { toid: bob.id, msg: "stored" },
  ];
  sender.sendBytes(lines.map((line, ref) => JSON.stringify({ msgid: 6, ref, ...line }) + "\n").join(""));
  const answers = [];
  for (let i = 0; i < lines.length; i++) answers.push(await sender.next((m) => m.msgid === 11));
  assertEquals(answers.map((a) => [a.ref, a.errno]), [[0, 0], [1, 13], [2, 16], [3, 0], [4, 16], [5, 13], [6, 17], [7, 0]]);
});

databaseTest("order: a reading of the log that fails, for whatever reason, is tried again; nothing is lost or comes twice", async (db) => {
  await using log = await CapturedLog.start();
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const [ada, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using sender = await s.client(ada);
  for (let i = 0; i < 4; i++) await sender.request({ msgid: 6, toid: bob.id, msg: `m${i}` });
  let failures = 0;
  watch.around = async (call) => {
    if (call.name === "log" && failures++ === 0) throw new TypeError("a defect");
    return await call.run();
  };
  await using receiver = await s.client(bob, { proto: 3 });
  for (let i = 0; i < 4; i++) {
    const { seq, msg } = await receiver.next((m) => m.msgid === 6);
    assertEquals([seq, msg], [i + 1, `m${i}`]);
  }
  assertEquals((await receiver.request({ msgid: 13, ref: "last" })).msgid, 14);
  assertEquals(receiver.backlog.filter((m) => m.msgid === 6), []);
  assertEquals(log.records.filter((r) => r.level === "error").length, 1);
});
