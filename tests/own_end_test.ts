// Who ends their own session is answered before anybody ends it for them: the database says that it has ended before its request is through.

import { assertEquals } from "@std/assert";
import { Passwords } from "../src/auth/passwords.ts";
import type { SessionKey, Store } from "../src/store/store.ts";
import { StoreWatch } from "./support/around_store.ts";
import { databaseTest } from "./support/databases.ts";
import { countOnline, eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";

const cheap = new Passwords({ figures: { algorithm: "scrypt", ln: 4, r: 8, p: 1 } });
const NEVER = 3600_000;

/** How the node may learn of it meanwhile: it looks for sessions that are to end, or compares its sessions with their rows. */
const LOOKS = {
  kicks: { times: { renew: 1000, kicks: 20, reconcile: NEVER }, learns: ["takeKicks", (keys: unknown) => (keys as SessionKey[]).length > 0] },
  reconciling: {
    times: { renew: 20, kicks: NEVER, reconcile: 20 },
    learns: ["claim", (claim: unknown) => (claim as { result: string }).result === "refused"],
  },
} as const;

const REQUESTS: { request: object; step: keyof Store; stays: boolean }[] = [
  { request: { msgid: 3 }, step: "removeDevice", stays: true },
  { request: { msgid: 34, device: 1 }, step: "removeDevice", stays: true },
  { request: { msgid: 44, password: "secret" }, step: "deleteAccount", stays: false },
];

for (const [look, { times, learns: [name, learnt] }] of Object.entries(LOOKS)) {
  databaseTest(`own end: the answer comes first, though ${look} shows before that the session has ended`, async (db) => {
    for (const [i, { request, step, stays }] of REQUESTS.entries()) {
      const watch = new StoreWatch();
      const committed = Promise.withResolvers<void>(), known = Promise.withResolvers<void>();
      await using s = await startServer(db, { limits: "off" }, { passwords: cheap, times, store: watch.wrap });
      const [user] = await makeUsers(db, 1, `of request ${i} `) as [TestUser];
      await db.query(`update user set password = '${await cheap.hash("secret")}' where id = ${user.id}`);
      await using c = await s.connect();
      assertEquals((await c.login({ id: user.id, password: "secret", proto: 3, device: "phone" })).errno, 0);
      watch.around = async (call) => {
        if (call.name === name) await committed.promise;
        const result = await call.run();
        if (call.name === step) {
          committed.resolve();
          await known.promise;
        }
        // A turn later the node has done what it does about it.
        if (call.name === name && learnt(result)) setTimeout(known.resolve, 0);
        return result;
      };
      const what = JSON.stringify(request);
      assertEquals((await c.request(request)).errno, 0, what);
      if (stays) {
        watch.around = (call) => call.run();
        assertEquals((await c.login({ id: user.id, password: "secret", proto: 3, device: "phone" })).errno, 0, what);
        await c.close();
      } else {
        assertEquals((await c.next((m) => m.msgid === 20)).reason, "kicked");
        await c.closed;
      }
      await eventually(async () => await countOnline(db) === 0, "nobody is online");
    }
  });
}
