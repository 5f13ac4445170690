// A login whose connection dies before its answer leaves the user offline, wherever the death falls.

import { assert, assertEquals } from "@std/assert";
import type { Store } from "../src/store/store.ts";
import { StoreWatch } from "./support/around_store.ts";
import { CapturedLog } from "./support/captured_log.ts";
import { cheapPasswords } from "./support/cheap_passwords.ts";
import { databaseTest } from "./support/databases.ts";
import { countOnline, eventually, makeUsers, startServer, stateOf, type TestUser } from "./support/server.ts";

/** Where a login stands when its connection dies: before a call of the store, or after it and before the server knows its result. */
interface Place {
  step: keyof Store | "nothing";
  when: "before" | "after";
}

interface Death extends Place {
  kind: string;
  /** What LOGIN says besides the user. */
  fields: (user: TestUser) => object;
  way: "fin" | "rst";
  /** The step goes on only after the server has noticed the death; otherwise at the same moment. */
  noticed: boolean;
}

const PASSWORD = "secret";
const kinds: { kind: string; fields: Death["fields"]; steps: Place["step"][] }[] = [
  {
    kind: "modern by token",
    fields: ({ token }) => ({ token, proto: 2 }),
    steps: ["findUserByToken", "claim", "welcome", "extendToken"],
  },
  { kind: "classic by token", fields: ({ token }) => ({ token }), steps: ["findUserByToken", "claim", "welcome"] },
  {
    kind: "modern by password",
    fields: () => ({ password: PASSWORD, proto: 2 }),
    steps: ["findUser", "claim", "welcome"],
  },
  { kind: "classic by password", fields: () => ({ password: PASSWORD }), steps: ["findUser", "claim", "welcome"] },
  { kind: "a new device", fields: () => ({ password: PASSWORD, proto: 3, device: "a device" }), steps: ["findUser", "claim", "welcome", "epoch"] },
];

const deaths: Death[] = kinds.flatMap(({ kind, fields, steps }) =>
  (["fin", "rst"] as const).flatMap((way) =>
    [
      { kind, fields, way, step: "nothing", when: "before", noticed: false },
      ...steps.flatMap((step) =>
        // At the same moment is a race, and runs twice.
        (["before", "after"] as const).flatMap((when) => [true, false, false].map((noticed) => ({ kind, fields, way, step, when, noticed })))
      ),
    ] as Death[]
  )
);

databaseTest(`login: one whose connection dies leaves the user offline, ${deaths.length} times`, async (db) => {
  await using log = await CapturedLog.start();
  const watch = new StoreWatch();
  const passwords = cheapPasswords();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap, passwords });
  const users = await makeUsers(db, deaths.length);
  await db.query(`update user set password = '${await passwords.hash(PASSWORD)}'`);
  await using witness = await s.connect();
  /** Who resets at once may be gone before there is a connection. */
  const ENDS = ["departure", "gone before it was accepted"];
  const ends = () => ENDS.reduce((sum, end) => sum + log.count(end), 0);
  let afterDeath = 0;

  for (const [i, { kind, fields, way, step, when, noticed }] of deaths.entries()) {
    const user = users[i]!;
    const what = `${kind}: ${way} ${when} ${step}${noticed ? ", noticed" : ""}`;
    const reached = Promise.withResolvers<void>();
    const open = Promise.withResolvers<void>();
    let held = false;
    watch.around = async (call) => {
      if (held || call.name !== step) return await call.run();
      held = true;
      const result = when === "after" ? await call.run() : undefined;
      reached.resolve();
      await open.promise;
      return when === "after" ? result : await call.run();
    };
    const gone = ends();
    const client = await s.connect();
    client.send({ msgid: 1, id: user.id, ...fields(user) });
    if (step !== "nothing") await reached.promise;
    if (way === "rst") await client.rst();
    else await client.close();
    if (noticed) {
      // A reset is noticed at once. A FIN says nothing that can be seen from outside; but it was there before this PING.
      if (way === "rst") await log.until(ENDS, gone + 1);
      await witness.request({ msgid: 13 });
      await witness.request({ msgid: 13 });
    }
    open.resolve();
    if (ends() > gone) afterDeath++;
    await log.until(ENDS, gone + 1);
    await watch.quiet();
    assertEquals(await stateOf(db, user.id), "offline", what);
    assertEquals(ends(), gone + 1, `${what}: one departure`);

    // Nothing stands in the way of the next one.
    const next = await s.connect();
    const ack = await next.login({ id: user.id, token: user.token, proto: 2 });
    assertEquals(ack.errno, 0, what);
    await next.close();
    await log.until(ENDS, gone + 2);
  }
  assert(afterDeath >= 32, `only ${afterDeath} logins went on after the reset was noticed`);
  await watch.quiet();
  assertEquals(await countOnline(db), 0);
  assertEquals(log.records.filter((r) => r.level === "error"), []);
});

databaseTest("login: many at once, dying at any moment, leave nobody online and keep nobody out", async (db) => {
  const watch = new StoreWatch();
  await using s = await startServer(db, { limits: "off" }, { store: watch.wrap });
  const users = await makeUsers(db, 5);
  // Every call takes its time, so that the deaths fall into all of them.
  watch.around = async (call) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    const result = await call.run();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    return result;
  };
  for (let round = 0; round < 10; round++) {
    await Promise.all(users.flatMap((user) =>
      Array.from({ length: 4 }, async (_, i) => {
        const client = await s.connect();
        client.send({ msgid: 1, id: user.id, token: user.token, ...(i % 2 ? { proto: 2 } : {}) });
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        if (Math.random() < 0.5) await client.rst();
        else await client.close();
      })
    ));
  }
  await Promise.all(users.map(async (user) => {
    await using client = await s.client(user);
    assertEquals(await stateOf(db, user.id), "online");
    assertEquals((await client.request({ msgid: 17 })).errno, 0);
  }));
  await eventually(async () => await countOnline(db) === 0, "all offline", 1000);
});
