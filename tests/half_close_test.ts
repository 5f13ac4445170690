// `nc -N`: a client that says everything at once and half-closes is answered, then the server closes.

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { StoreWatch } from "./support/around_store.ts";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf } from "./support/server.ts";

/** Sends these lines and a FIN, and takes what comes until the server's. */
async function sayAll(client: RawClient, lines: (object | string)[]): Promise<Message[]> {
  client.sendBytes(lines.map((line) => typeof line === "string" ? line : JSON.stringify(line) + "\n").join(""));
  client.fin();
  assertEquals(await deadline(client.closed, 30_000), "fin");
  return client.backlog;
}

databaseTest("half-close: lines before the FIN are answered, in order; what is unfinished is discarded", async (db) => {
  await using s = await startServer(db);
  const [modern, classic] = await makeUsers(db, 2);
  {
    await using client = await s.connect();
    const answers = await sayAll(client, [
      { msgid: 1, id: modern!.id, token: modern!.token, proto: 2 },
      { msgid: 6, toid: classic!.id, msg: "hello", ref: 1 },
      { msgid: 6, toid: 12345, msg: "to nobody", ref: 2 },
      { msgid: 6, toid: classic!.id, msg: "again", ref: 3 },
      { msgid: 17, ref: 4 },
      '{"msgid":13,"ref":5}',
    ]);
    // Answers to different kinds of request may overtake one another.
    const ofChats = answers.filter((m) => m.re === 6);
    assertEquals(ofChats.map((m) => [m.msgid, m.ref, m.errno]), [[11, 1, 0], [11, 2, 16], [11, 3, 0]]);
    assertEquals(answers.filter((m) => m.re !== 6).map((m) => [m.msgid, m.ref, m.errno]), [[2, undefined, 0], [11, 4, 0]]);
    await eventually(async () => await stateOf(db, modern!.id) === "offline", "offline", 1000);
  }
  {
    await using client = await s.connect();
    const answers = await sayAll(client, [
      { msgid: 1, id: classic!.id, token: classic!.token },
      { msgid: 6, toid: modern!.id, msg: "hello back", ref: 1 },
      { msgid: 6, toid: modern!.id, msg: "in silence" },
      { msgid: 3, ref: 2 },
    ]);
    assertEquals(answers.map((m) => [m.msgid, m.ref, m.errno]), [[2, undefined, 0], [11, 1, 0], [11, 2, 0]]);
    assertEquals((answers[0]!.offlinemsg as string[]).map((text) => JSON.parse(text).msg), ["hello", "again"]);
  }
  assertEquals((await db.query("select msg from message order by id")).map((row) => row.msg), ["hello", "again", "hello back", "in silence"]);
});

databaseTest("half-close: answers that take their time come before the server's FIN", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, {}, { store: watch.wrap });
  const [user] = await makeUsers(db, 1);
  await using witness = await s.connect();
  for (const step of ["findUserByToken", "claim", "welcome", "append", "createUser"]) {
    const reached = Promise.withResolvers<void>();
    const open = Promise.withResolvers<void>();
    watch.around = async (call) => {
      const result = await call.run();
      if (call.name !== step) return result;
      reached.resolve();
      await open.promise;
      return result;
    };
    await using client = await s.connect();
    const saying = sayAll(client, [
      { msgid: 1, id: user!.id, token: user!.token, proto: 2, ref: 1 },
      { msgid: 6, toid: user!.id, msg: step, ref: 2 },
      { msgid: 4, name: `by ${step}`, password: "secret", ref: 3 },
    ]);
    await reached.promise;
    // The FIN was there before these.
    await witness.request({ msgid: 13 });
    await witness.request({ msgid: 13 });
    open.resolve();
    const answers = (await saying).filter((m) => m.ref !== undefined).sort((a, b) => Number(a.ref) - Number(b.ref));
    assertEquals(answers.map((m) => [m.msgid, m.ref, m.errno]), [[2, 1, 0], [11, 2, 0], [5, 3, 0]], step);
  }
});

databaseTest("half-close: a message is answered before LOGOUT is, and before the server's FIN, however long it takes", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, {}, { store: watch.wrap });
  const [user] = await makeUsers(db, 1);
  await using witness = await s.connect();
  watch.around = async (call) => {
    if (call.name === "append") { for (let i = 0; i < 10; i++) await witness.request({ msgid: 13 }); }
    return await call.run();
  };
  await using client = await s.connect();
  const answers = await sayAll(client, [
    { msgid: 1, id: user!.id, token: user!.token, proto: 2 },
    { msgid: 6, toid: user!.id, msg: "note", ref: 1 },
    { msgid: 3, ref: 2 },
  ]);
  assertEquals(answers.map((m) => [m.re, m.ref, m.errno]).slice(0, 2), [[undefined, undefined, 0], [6, 1, 0]]);
  assertEquals([answers.at(-1)!.ref, answers.at(-1)!.errno], [2, 0]);
});

databaseTest("half-close: who is gone does not wait until all others are silent", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const [talker, user] = await makeUsers(db, 2);
  await using busy = await s.client(talker!);
  await using client = await s.client(user!);
  // Whenever something is stored, the next message waits already.
  let talking = true;
  watch.around = async (call) => {
    if (call.name === "append" && talking) {
      busy.send({ msgid: 6, toid: talker!.id, msg: "and so on" });
      await busy.request({ msgid: 13 });
    }
    return await call.run();
  };
  busy.send({ msgid: 6, toid: talker!.id, msg: "hear me" });
  const answers = await sayAll(client, [{ msgid: 6, toid: user!.id, msg: "note", ref: 1 }]);
  assertEquals(answers.filter((m) => m.ref === 1).map((m) => m.errno), [0]);
  await eventually(async () => await stateOf(db, user!.id) === "offline", "offline", 1000);
  talking = false;
});

databaseTest("half-close: a password is checked although the FIN is there", async (db) => {
  await using s = await startServer(db);
  await using client = await s.connect();
  const answers = await sayAll(client, [
    { msgid: 4, name: "bob", password: "secret" },
    { msgid: 1, name: "Bob", password: "wrong" },
    { msgid: 1, name: "Bob", password: "secret" },
    { msgid: 13 },
  ]);
  assertEquals(answers.map((m) => [m.msgid, m.errno]), [[5, 0], [2, 1], [2, 0], [14, undefined]]);
});
