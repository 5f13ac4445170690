// `--user-quota` bounds texts and files together, nearly: what is sent counts within seconds, what is deleted when all is counted anew.

import { assert, assertEquals } from "@std/assert";
import { ROW_KEPT } from "../src/store/quota.ts";
import { addUsers, databaseTest } from "./support/databases.ts";
import { FileServer } from "./support/files.ts";
import type { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";

const QUOTA = 20_000, TEXT = "x".repeat(1000);
const EACH = TEXT.length + ROW_KEPT;
/** Often; and never by itself. */
const SOON = 20, NEVER = 3600_000;

/** Sends until there is no room. @returns how many went in, and the number of the last */
async function fill(client: RawClient, to: TestUser): Promise<{ count: number; last: number }> {
  for (let count = 0, last = 0;; count++) {
    assert(count < 3 * QUOTA / EACH, "there is no end to it");
    const answer = await client.request({ msgid: 6, toid: to.id, msg: TEXT, mid: `m${count}` });
    if (answer.errno === 24) {
      assertEquals(answer.errmsg, "you have as much here as you may have");
      return { count, last };
    }
    assertEquals(answer.errno, 0, JSON.stringify(answer));
    last = answer.messageid!;
  }
}

databaseTest(
  "quota: texts and files together; what was stored is answered again, others go on; after a restart it holds; counted anew there is room",
  async (db) => {
    const settings = { limits: "off", "user-quota": QUOTA };
    let kept = 0, count = 0, last = 0;
    {
      await using files = await FileServer.start(db, settings, { times: { quotaFlush: SOON, quotaCount: NEVER } });
      const [ann, bob] = files.users as [TestUser, TestUser];
      await using a = await files.server.client(ann, { proto: 3 });
      await using b = await files.server.client(bob, { proto: 3 });
      await files.upload("x".repeat(QUOTA / 2));
      // Nobody knows of the file before the database has answered.
      assertEquals((await a.request({ msgid: 6, toid: bob.id, msg: TEXT, mid: "m0" })).errno, 0);
      ({ count, last } = await fill(a, bob));
      assert(Math.abs(count - QUOTA / 2 / EACH) <= 2, `${count} messages`);
      // The same message again is the answer again, not a refusal.
      assertEquals((await a.request({ msgid: 6, toid: bob.id, msg: TEXT, mid: "m1" })).errno, 0);
      assertEquals((await a.request({ msgid: 25, messageid: last, msg: "y".repeat(2000) })).errno, 24);
      const { groupid } = await a.request({ msgid: 8, groupname: "g", groupdesc: "" });
      assertEquals((await a.request({ msgid: 10, groupid, msg: TEXT })).errno, 24);
      assertEquals((await b.request({ msgid: 6, toid: ann.id, msg: TEXT })).errno, 0);
      const post = await files.post("x".repeat(QUOTA / 2));
      await post.body?.cancel();
      assertEquals(post.status, 507);
      await eventually(async () => {
        kept = Number((await db.query(`select bytes from texts where userid = ${ann.id}`))[0]?.bytes ?? 0);
        return kept >= count * EACH;
      }, "it is written");
      assert(kept <= (count + 1) * EACH, String(kept));
    }
    const [{ id, token }] = await tokens();
    {
      await using server = await startServer(db, settings, { times: { quotaFlush: SOON, quotaCount: NEVER } });
      await using a = await server.client({ id, token, name: "" } as TestUser, { proto: 3 });
      const [bob] = await addUsers(await db.open(), "cy");
      // What comes before the database has answered goes by.
      await a.request({ msgid: 6, toid: bob, msg: TEXT });
      await eventually(async () => (await a.request({ msgid: 6, toid: bob, msg: TEXT })).errno === 24, "the quota is remembered");
      for (let messageid = last; messageid > last - count; messageid--) assertEquals((await a.request({ msgid: 26, messageid })).errno, 0);
      assertEquals((await a.request({ msgid: 6, toid: bob, msg: TEXT })).errno, 24);
    }
    await using server = await startServer(db, settings, { times: { quotaFlush: SOON, quotaCount: SOON } });
    await using a = await server.client({ id, token, name: "" } as TestUser, { proto: 3 });
    const [{ n, bytes }] = await db.query(`select count(*) as n, sum(length(msg)) as bytes from message where sender = ${id}`) as [
      Record<string, unknown>,
    ];
    const truth = Number(n) * ROW_KEPT + Number(bytes);
    assert(truth < kept - 2 * EACH, `${truth} of ${kept}`);
    await eventually(async () => Number((await db.query(`select bytes from texts where userid = ${id}`))[0]!.bytes) === truth, "it is counted");
    await eventually(async () => (await a.request({ msgid: 6, toid: id, msg: TEXT })).errno === 0, "there is room");

    async function tokens(): Promise<{ id: number; token: string }[]> {
      const { makeUsers } = await import("./support/server.ts");
      const [{ owner }] = await db.query("select owner from file") as [{ owner: number }];
      const [user] = await makeUsers(db, 1, "spare");
      await db.query(`update token set userid = ${owner} where userid = ${user!.id}`);
      return [{ id: Number(owner), token: user!.token }];
    }
  },
);

databaseTest("quota: counted is what each has said, whoever's rows come first, in steps", async (db) => {
  const store = await db.open();
  const [ann, bob, cy] = await addUsers(store, "ann", "bob", "cy") as [number, number, number];
  await store.append(Array.from({ length: 30 }, (_, i) => ({ sender: i % 3 === 0 ? ann : bob, toid: ann, msg: "é".repeat(i), ts: 1 })));
  const sums = new Map<number, number>();
  let steps = 0;
  for (let after: number | undefined = 0; after !== undefined; steps++) {
    const { kept, next }: { kept: readonly [number, number][]; next: number | undefined } = await store.countTexts(after, 7);
    for (const [id, bytes] of kept) sums.set(id, (sums.get(id) ?? 0) + bytes);
    after = next;
  }
  const of = (own: (i: number) => boolean) => Array.from({ length: 30 }, (_, i) => own(i) ? ROW_KEPT + 2 * i : 0).reduce((a, b) => a + b);
  assertEquals([...sums].sort(), [[ann, of((i) => i % 3 === 0)], [bob, of((i) => i % 3 !== 0)]].sort() as [number, number][]);
  assertEquals(steps, 5);
  await store.addTextKept([[cy, 5], [ann, 7]]);
  await store.addTextKept([[ann, 1]]);
  assertEquals([await store.textKept(ann), await store.textKept(bob), await store.textKept(cy)], [8, 0, 5]);
  assertEquals([await store.textKeepers(0, 10), await store.textKeepers(ann, 10)], [[ann, cy], [cy]]);
  await store.setTextKept([[ann, 3], [cy, 0]]);
  assertEquals([await store.textKept(ann), await store.textKeepers(0, 10)], [3, [ann]]);
  await store.close();
});

databaseTest("quota: an EDIT that says what is said already takes nothing, however often", async (db) => {
  await using s = await startServer(db, { limits: "off", "user-quota": QUOTA }, { times: { quotaFlush: SOON, quotaCount: NEVER } });
  const [ann] = await makeUsers(db, 1);
  await using a = await s.client(ann);
  const { messageid } = await a.request({ msgid: 6, toid: ann.id, msg: TEXT });
  for (let i = 0; i < 2 * QUOTA / EACH; i++) assertEquals((await a.request({ msgid: 25, messageid, msg: TEXT })).errno, 0);
});
