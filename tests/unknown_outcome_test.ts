// A claim whose outcome the server never learnt, and which is committed later, leaves nobody online. Who asks once more is in the group.

import { assertEquals } from "@std/assert";
import { StoreUnavailable } from "../src/store/store.ts";
import { type StoreCall, StoreWatch } from "./support/around_store.ts";
import { assertErrno } from "./support/chat.ts";
import { databaseTest } from "./support/databases.ts";
import { eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

databaseTest("unknown outcome: a claim that is committed after its link broke is found by reconciling", async (db) => {
  const watch = new StoreWatch();
  let late: StoreCall | undefined;
  watch.around = (call) => {
    if (call.name !== "claim" || late) return call.run();
    late = call;
    return Promise.reject(new StoreUnavailable("the link broke"));
  };
  await using s = await startServer(db, {}, { store: watch.wrap, times: { renew: 100, reconcile: 200 } });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using c = await s.connect();
  const ack = await c.login({ id: user.id, token: user.token, proto: 2 });
  assertEquals(ack.errno, 19);
  assertEquals(typeof ack.retry, "number");
  // The release that follows a doubtful claim comes before the claim itself.
  await eventually(() => watch.made.includes("release"), "the release");
  await watch.quiet();
  // No pass comes before it is seen.
  const seen = Promise.withResolvers<void>();
  watch.around = async (call) => {
    if (call.name === "sessions") await seen.promise;
    return await call.run();
  };
  await late!.run();
  assertEquals(await stateOf(db, user.id), "online");
  seen.resolve();
  await eventually(async () => await stateOf(db, user.id) === "offline", "reconciling");
});

databaseTest("unknown outcome: the user need not wait for reconciling", async (db) => {
  const watch = new StoreWatch();
  let done = false;
  watch.around = async (call) => {
    const result = await call.run();
    if (call.name !== "claim" || done) return result;
    done = true;
    throw new StoreUnavailable("the answer was lost");
  };
  await using s = await startServer(db, {}, { store: watch.wrap });
  const [user] = await makeUsers(db, 1) as [TestUser];
  await using c = await s.connect();
  assertEquals((await c.login({ id: user.id, token: user.token, proto: 2 })).errno, 19);
  assertEquals((await c.login({ id: user.id, token: user.token, proto: 2 })).errno, 0);
});

databaseTest("unknown outcome: who left a group, comes back and asks once more, is in it for signals as well", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
  await using a = await s.client(ann);
  await using b = await s.client(bob);
  const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "", ref: 1 });
  for (const msgid of [9, 19]) assertErrno(await b.request({ msgid, groupid }), 0);
  watch.around = async (call) => {
    const result = await call.run();
    if (call.name !== "joinGroup") return result;
    watch.around = (call) => call.run();
    throw new StoreUnavailable("the answer was lost");
  };
  assertErrno(await b.request({ msgid: 9, groupid }), 19);
  assertErrno(await b.request({ msgid: 9, groupid }), 0);
  b.send({ msgid: 21, groupid, msg: "typing" });
  assertEquals((await a.next((m) => m.msgid === 21)).msg, "typing");
  a.send({ msgid: 21, groupid, msg: "typing, too" });
  assertEquals((await b.next((m) => m.msgid === 21)).msg, "typing, too");
});
