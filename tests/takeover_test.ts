// The old connection's late departure, in any order with the steps of the new login, never sets the new session offline.

import { assert, assertEquals } from "@std/assert";
import { type Release, type Store, StoreUnavailable } from "../src/store/store.ts";
import { type StoreCall, StoreWatch } from "./support/around_store.ts";
import { Awake } from "./support/awake.ts";
import { threeDevices } from "./support/companions.ts";
import { databaseTest, type TestDatabase, waitingDatabaseTest } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, stateOf, type TestServer, type TestUser } from "./support/server.ts";

/** A returning user is in after this long at most (ms); with three devices a second later, for a frozen one is asked for a second. */
const RETURN = threeDevices() ? 3000 : 2000;
const MODES = ["probe", "refuse", "replace"] as const;

/** When the old connection dies, and how; and what becomes of the release that follows from it. */
interface Order {
  mode: typeof MODES[number];
  /** The new login stands before this step of it, or behind it and does not know its result. */
  step: keyof Store;
  when: "before" | "after";
  way: "rst" | "fin";
  /** It is made before the login goes on; or after the login; or it is made before, but known to be only after; or it fails once; or there is none. */
  release: "first" | "last" | "unknown" | "fails" | "none";
}

function orders(): Order[] {
  const all: Order[] = [];
  for (const when of ["before", "after"] as const) {
    for (const way of threeDevices() ? ["rst"] as const : ["rst", "fin"] as const) {
      for (const release of ["first", "fails"] as const) for (const mode of MODES) all.push({ mode, step: "findUserByToken", when, way, release });
      // The holder is alive until the claim: only --on-conflict replace comes that far.
      for (const release of ["first", "last", "unknown", "fails"] as const) all.push({ mode: "replace", step: "claim", when, way, release });
      // The new session is bound, and the old one has departed.
      all.push({ mode: "replace", step: "welcome", when, way, release: "none" });
    }
  }
  return all;
}

const isReleaseOf = (call: StoreCall, { id }: TestUser) => call.name === "release" && (call.args[0] as Release[]).some((r) => r.userId === id);

const die = (client: RawClient, way: Order["way"]) => way === "rst" ? client.rst() : client.close();

/** The session is the one that the database and the table name: what is sent to the user arrives there. */
async function assertIn(db: TestDatabase, user: TestUser, client: RawClient, what: string): Promise<void> {
  assertEquals(await stateOf(db, user.id), "online", what);
  assertEquals((await client.request({ msgid: 6, toid: user.id, msg: what })).errno, 0, what);
  assertEquals((await client.next((m) => m.msgid === 6)).msg, what);
  await client.close();
  await eventually(async () => await stateOf(db, user.id) === "offline", `${what}: offline after its own end`, 2000);
}

/** Takes one user through one order of events. */
async function play(s: TestServer, watch: StoreWatch, user: TestUser, { step, when, way, release }: Order, what: string): Promise<void> {
  const reached = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>(), answered = Promise.withResolvers<void>();
  const old = await s.client(user);
  let held = false, failed = false;
  watch.around = async (call) => {
    if (call.name === step && !held) {
      held = true;
      const result = when === "after" ? await call.run() : undefined;
      reached.resolve();
      await open.promise;
      return when === "after" ? result : await call.run();
    }
    if (!isReleaseOf(call, user)) return await call.run();
    if (release === "fails" && !failed) {
      failed = true;
      released.resolve();
      throw new StoreUnavailable("as the test wants it");
    }
    if (release === "last") released.resolve();
    if (release === "last") await answered.promise;
    const result = await call.run();
    released.resolve();
    if (release === "unknown") await answered.promise;
    return result;
  };
  const client = await s.connect();
  const login = client.login({ id: user.id, token: user.token, proto: 2 });
  await reached.promise;
  await die(old, way);
  if (release !== "none") await released.promise;
  open.resolve();
  assertEquals((await login).errno, 0, what);
  answered.resolve();
  await watch.quiet();
  await assertIn(s.db, user, client, what);
}

waitingDatabaseTest(`takeover: the old connection dies at every step of the new login, in ${orders().length} orders`, async (db, mode) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { "on-conflict": mode }, { store: watch.wrap });
  const mine = orders().filter((order) => order.mode === mode);
  const users = await makeUsers(db, mine.length, mode);
  for (const [i, order] of mine.entries()) {
    const { step, when, way, release } = order;
    await play(s, watch, users[i]!, order, `${mode}: ${way} ${when} ${step}, release ${release}`);
  }
}, MODES);

waitingDatabaseTest("takeover: the release of a dead session comes when its users are back long since", async (db, mode) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { "on-conflict": mode }, { store: watch.wrap });
  const users = await makeUsers(db, 10, mode);
  const old = await Promise.all(users.map((user) => s.client(user)));
  const made = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
  watch.around = async (call) => {
    const result = await call.run();
    if (call.name === "release") {
      made.resolve();
      await open.promise;
    }
    return result;
  };
  // The first half's is made, and its result not known; so the second half's is not made at all.
  await Promise.all(old.slice(0, 5).map((client) => client.rst()));
  await made.promise;
  await Promise.all(old.slice(5).map((client) => client.rst()));
  using took = new Awake();
  const clients = await Promise.all(users.map((user) => s.client(user)));
  assert(took.ms <= RETURN, `the logins took ${took.ms} ms`);
  open.resolve();
  await watch.quiet();
  for (const [i, client] of clients.entries()) await assertIn(db, users[i]!, client, `${mode}: user ${i}`);
}, MODES);

databaseTest("takeover: who is being probed dies, and the login goes on at once", async (db) => {
  await using s = await startServer(db);
  const users = await makeUsers(db, 4);
  for (const [i, user] of users.entries()) {
    const modern = i < 2, way = i % 2 ? "rst" : "fin";
    await using old = await s.client(user, modern ? { proto: 2 } : {});
    await using client = await s.connect();
    using took = new Awake();
    const login = client.login({ id: user.id, token: user.token, proto: 2 });
    if (modern) await old.next((m) => m.msgid === 13);
    await die(old, way);
    assertEquals((await login).errno, 0);
    assert(took.ms < 1000, `${way}: the login waited`);
    await assertIn(db, user, client, `${way} while probed`);
  }
});

/** When a claim is made that was reported as failed: before that; between the next login's steps; after it. */
const LATE = ["before", "between", "after"] as const;

databaseTest("takeover: a claim that was given up, and made nevertheless, does not harm the next login", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { "on-conflict": "replace" }, { store: watch.wrap });
  for (const late of LATE) {
    for (const taken of [true, false]) {
      const [user] = await makeUsers(db, 1, `${late}${taken}`) as [TestUser];
      await using _old = taken ? await s.client(user) : await s.connect();
      await using client = await s.connect();
      let claims = 0;
      let runLate = () => Promise.resolve<unknown>(undefined);
      watch.around = async (call) => {
        if (call.name !== "claim") return await call.run();
        if (++claims === 1) {
          if (late === "before") await call.run();
          runLate = call.run;
          throw new StoreUnavailable("as the test wants it");
        }
        if (claims === 2 && late === "between") await runLate();
        const result = await call.run();
        if (claims === 2 && late === "after") await runLate();
        return result;
      };
      const refused = await client.login({ id: user.id, token: user.token, proto: 2 });
      assertEquals([refused.errno, typeof refused.retry], [19, "number"]);
      assertEquals((await client.login({ id: user.id, token: user.token, proto: 2 })).errno, 0);
      await watch.quiet();
      await assertIn(db, user, client, `${late}, ${taken ? "taken over" : "free"}`);
    }
  }
});
