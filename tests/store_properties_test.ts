// Whatever users do with their devices, and however often the database is opened anew: the store says what a simple model says.

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import type { Append, Store } from "../src/store/store.ts";
import { addUsers, type DatabaseKind, databaseTest } from "./support/databases.ts";
import { ModelUser } from "./support/store_model.ts";
import { group, release, tryClaim } from "./support/stores.ts";

const LIMITS = { maxInbox: 4, maxDevices: 2 };
const USERS = 3;
/** How many random lives; those on MySQL take long. */
const RUNS: Record<DatabaseKind, number> = { sqlite: 25, mysql: 6 };

const who = fc.nat({ max: USERS - 1 });
/** Which of a user's devices; the last stands for one that there is not. */
const device = fc.nat({ max: 3 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("claim" as const), who, device, takeover: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("add" as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("release" as const), who, device, confirm: fc.option(fc.nat({ max: 4 })), stale: fc.nat({ max: 9 }) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("confirm" as const), who, device, ahead: fc.nat({ max: 9 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("say" as const),
      elsewhere: fc.nat({ max: 3 }),
      to: fc.array(fc.record({ who, to: fc.nat({ max: USERS }) }), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("react" as const), elsewhere: fc.nat({ max: 3 }), back: fc.nat({ max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("move" as const), who: fc.integer({ min: 1, max: USERS - 1 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), who, device }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("password" as const), who, keep: fc.option(device) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("file" as const, "reopen" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One life of the users, in the store and in the model. */
class Life {
  readonly users: ModelUser[];
  /** Who is in the group. */
  readonly members = new Set([...Array(USERS).keys()]);
  /** What was said, to whom, and whether its sender has reacted to it. */
  readonly #texts: { messageid: number; who: number; to: number; reacted: boolean }[] = [];
  #clock = 1000;
  #said = 0;
  #sessions = 0;

  constructor(public store: Store, readonly ids: number[], readonly groupid: number) {
    this.users = ids.map(() => new ModelUser(LIMITS));
  }

  device(i: number, n: number): number {
    const user = this.users[i]!;
    return n === 3 ? user.lastDevice + 1 : [0, ...[...user.devices.keys()].filter((id) => id > 0)][n] ?? 0;
  }

  async claim(i: number, id: number, takeover: boolean): Promise<void> {
    const user = this.users[i]!, at = this.#clock++, session = `${this.ids[0]} ${++this.#sessions}`;
    const held = user.devices.get(id)?.session;
    const claim = await tryClaim(this.store, this.ids[i]!, session, { device: id, at, takeover: takeover ? held : undefined });
    if (id > 0 && !user.devices.has(id)) return assertEquals(claim, { result: "refused", errno: "INVALID" });
    if (held !== undefined && !takeover) return assertEquals(claim, { result: "held", session: held, node: "n1" });
    if (id === 0 && !user.devices.has(0)) user.make(0, "", at);
    user.claim(id, session, at);
    assertEquals(claim, { result: "claimed", device: { id, name: user.devices.get(id)!.name }, removed: undefined });
  }

  async add(i: number): Promise<void> {
    const user = this.users[i]!, at = this.#clock++, session = `${this.ids[0]} ${++this.#sessions}`;
    const claim = await tryClaim(this.store, this.ids[i]!, session, { device: { name: session }, at });
    const removed = user.makeRoom();
    if (removed === "FULL") return assertEquals(claim, { result: "refused", errno: "FULL" });
    user.make(++user.lastDevice, session, at);
    user.claim(user.lastDevice, session, at);
    assertEquals(claim, { result: "claimed", device: { id: user.lastDevice, name: session }, removed });
  }

  async release(i: number, id: number, confirm: number | null, stale: boolean): Promise<void> {
    const user = this.users[i]!, at = this.#clock++;
    const session = stale ? "another" : user.devices.get(id)?.session ?? "none";
    const confirmed = confirm === null ? undefined : user.place(id) + confirm;
    await release(this.store, { userId: this.ids[i]!, device: id, session }, at, confirmed);
    if (confirmed !== undefined) user.confirm(id, session, confirmed);
    user.release(id, session, at);
  }

  async confirm(i: number, id: number, ahead: number): Promise<void> {
    const user = this.users[i]!;
    const session = user.devices.get(id)?.session ?? "none";
    const seq = user.place(id) + ahead - 1;
    await this.store.confirm([{ userId: this.ids[i]!, device: id, session, seq }]);
    user.confirm(id, session, seq);
  }

  async say(batch: { who: number; to: number }[], store: Store): Promise<void> {
    const appends = batch.map(({ who, to }): Append => ({
      sender: this.ids[who]!,
      ...(to < USERS ? { toid: this.ids[to]! } : { groupid: this.groupid }),
      ...{ msg: `${++this.#said}`, ts: 1 },
    }));
    const results = await store.append(appends);
    for (const [n, { who, to }] of batch.entries()) {
      const { msg } = appends[n]!;
      const takers = to < USERS ? [to] : [...this.members].filter((i) => i !== who);
      const took: [number, number, number][] = [];
      const take = (i: number, own: boolean) => {
        const seq = this.users[i]!.take(msg, own);
        if (seq !== undefined) took.push([this.ids[i]!, seq, this.users[i]!.online() ? 1 : 0]);
        return seq !== undefined;
      };
      const result = results[n]!;
      if (to === USERS && !this.members.has(who)) {
        assertEquals(result.errno, "NOT_MEMBER");
        continue;
      }
      if (to < USERS && !take(to, false)) {
        assertEquals(result.errno, "FULL");
        continue;
      }
      if (to === USERS) { for (const i of takers) take(i, false); }
      if (this.users[who]!.many && to !== who) take(who, true);
      assert(result.errno === "OK");
      this.#texts.push({ messageid: result.messageid, who, to, reacted: false });
      assertEquals(result.receivers.map((r) => [r.userId, r.seq, r.nodes.length]).sort(), took.sort());
    }
  }

  /** The sender of a text reacts to it, or takes that back: everybody who sees it is told, behind all that was said. */
  async react(back: number, store: Store): Promise<void> {
    const text = this.#texts.at(-1 - back);
    if (!text) return;
    const { messageid, who, to, reacted } = text;
    const acted = await store.act({ what: "react", by: this.ids[who]!, messageid, at: 1, emoji: "👍", off: reacted });
    if (to === USERS && !this.members.has(who)) return assertEquals(acted, { errno: "NO_MESSAGE" });
    assert(acted.errno === "OK");
    text.reacted = !reacted;
    const takers = to === USERS ? [...this.members] : [...new Set([to, who])];
    const took: [number, number][] = [];
    for (const i of takers) {
      if (i === who && to !== who && !this.users[i]!.many) continue;
      const seq = this.users[i]!.take("react", true);
      if (seq !== undefined) took.push([this.ids[i]!, seq]);
    }
    assertEquals(acted.receivers.map((r) => [r.userId, r.seq]).sort(), took.sort());
  }

  /** Leaves the group, or joins it. That is told to all who are in it before, or then. */
  async move(i: number): Promise<void> {
    const leaves = this.members.has(i), id = this.ids[i]!;
    if (leaves) assert(Array.isArray(await this.store.leaveGroup(id, this.groupid, 1)));
    else assert(typeof await this.store.joinGroup(id, { id: this.groupid }, 1) === "object");
    this.members.add(i);
    for (const member of this.members) this.users[member]!.take(leaves ? "left" : "joined", true);
    if (leaves) this.members.delete(i);
  }

  async remove(i: number, id: number): Promise<void> {
    const user = this.users[i]!;
    const held = user.devices.get(id)?.session;
    const ended = await this.store.removeDevice(this.ids[i]!, id);
    if (id > 0 && !user.devices.has(id)) return assertEquals(ended, undefined);
    assertEquals(ended, held === undefined ? [] : [{ userId: this.ids[i]!, device: id, session: held, node: "n1" }]);
    await this.#end(i, [id], [id]);
  }

  async password(i: number, keep: number | null): Promise<void> {
    const user = this.users[i]!;
    const kept = keep !== null && user.devices.has(keep) ? keep : undefined;
    const { version } = (await this.store.findUser({ id: this.ids[i]! }))!;
    const ended = await this.store.setPassword(this.ids[i]!, version, "new", kept === undefined ? undefined : { device: kept, token: undefined });
    const going = [...user.devices.keys()].filter((id) => id !== kept);
    const sessions = going.flatMap((id) => user.devices.get(id)!.session ?? []);
    assertEquals(ended?.map((e) => e.session).sort(), sessions.sort());
    await this.#end(i, going, going);
  }

  /** The sessions of these devices have ended now, and the named ones are gone. */
  async #end(i: number, ending: number[], going: number[]): Promise<void> {
    const user = this.users[i]!;
    const online = user.online();
    for (const id of ending) {
      const device = user.devices.get(id);
      if (device?.session === undefined) continue;
      // The store's own clock says when; here it is enough that it is late.
      device.session = undefined;
      device.lastseen = (await this.store.devices(this.ids[i]!)).find((d) => d.id === id)?.lastseen ?? device.lastseen;
      device.used = Math.max(device.used, device.lastseen ?? 0);
    }
    if (online && !user.online()) {
      const { lastseen } = (await this.store.whereabouts([this.ids[i]!])).get(this.ids[i]!)!;
      assert(lastseen !== null && lastseen >= (user.lastseen ?? 0));
      user.lastseen = lastseen;
    }
    const named = going.filter((id) => id > 0);
    if (named.length > 0) user.remove(...named);
  }

  /** The store says what the model says. */
  async check(): Promise<void> {
    const whereabouts = await this.store.whereabouts(this.ids);
    for (const [i, user] of this.users.entries()) {
      const id = this.ids[i]!;
      assertEquals((await this.store.log(id, 0, 1000, 1e6)).map((m) => [m.seq, m.what ?? m.msg]), user.waiting(), `the log of user ${i}`);
      assertEquals(whereabouts.get(id), { nodes: user.online() ? ["n1"] : [], lastseen: user.lastseen }, `user ${i}`);
      const devices = await this.store.devices(id);
      assertEquals(
        devices.filter((d) => d.id > 0 || user.devices.has(0)).map((d) => [d.id, d.name, d.state, d.lastseen]),
        [...user.devices].sort(([a], [b]) => a - b).map(([id, d]) => [id, d.name, d.session === undefined ? "offline" : "online", d.lastseen]),
        `devices of user ${i}`,
      );
      for (const [device, { session }] of user.devices) {
        assertEquals(
          (await this.store.welcome(id, device)).inbox,
          { confirmed: user.place(device), last: user.log.length },
          `device ${device} of ${i}`,
        );
        assertEquals((await this.store.holder(id, device))?.session, session);
      }
    }
  }
}

databaseTest("devices and logs: the store says what a model says, in random lives", async (t) => {
  const store = await t.open(LIMITS);
  await store.join("n1");
  // Another process at the same database.
  const other = await t.open(LIMITS);
  let run = 0;
  const live = async (steps: Step[]) => {
    run++;
    const ids = await addUsers(store, ...Array.from({ length: USERS }, (_, i) => `user${i} of ${run}`));
    const life = new Life(store, ids, await group(t, store, ...ids));
    for (const s of steps) {
      // Lives last longer than a lease.
      await store.renew();
      if (s.do === "claim") await life.claim(s.who, life.device(s.who, s.device), s.takeover);
      else if (s.do === "add") await life.add(s.who);
      else if (s.do === "release") await life.release(s.who, life.device(s.who, s.device), s.confirm, s.stale === 0);
      else if (s.do === "confirm") await life.confirm(s.who, life.device(s.who, s.device), s.ahead);
      else if (s.do === "say") await life.say(s.to, s.elsewhere === 0 ? other : store);
      else if (s.do === "react") await life.react(s.back, s.elsewhere === 0 ? other : store);
      else if (s.do === "move") await life.move(s.who);
      else if (s.do === "remove") await life.remove(s.who, life.device(s.who, s.device));
      else if (s.do === "password") await life.password(s.who, s.keep === null ? null : life.device(s.who, s.keep));
      else if (s.do === "file") await store.prune(0, undefined, 1);
      else {
        // Who finds the database as it is: nobody has said goodbye to it.
        life.store = await t.open(LIMITS);
        await life.check();
        await life.store.close();
        life.store = store;
      }
      await life.check();
    }
    await Promise.all(life.users.map((_, i) => store.setPassword(ids[i]!, undefined, "end")));
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), live), {
    numRuns: RUNS[t.kind],
    endOnFailure: true,
  });
});
