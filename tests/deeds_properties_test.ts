// Whatever several users say, edit, delete and react to, on several devices that come and go: what each device put together from its log is what HISTORY tells.

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { databaseTest } from "./support/databases.ts";
import { makeDevices } from "./support/devices.ts";
import { type Connects, Reader } from "./support/reader.ts";
import { type ServerProcess, spawnServer, startServer } from "./support/server.ts";
import { type Place, type Shown, shownOf } from "./support/shown.ts";

const RUNS = 6, KILLED_RUNS = 2, USERS = 3, DEVICES = 2;
const EMOJI = ["👍", "👎", "🎉", "❤️"];

type Step = { device: number; which: number } & ({ do: "say" | "edit" | "delete" | "react" | "unreact" } | { do: "close" | "reset" | "confirm" });

const step: fc.Arbitrary<Step> = fc.record({
  device: fc.nat({ max: USERS * DEVICES - 1 }),
  which: fc.nat({ max: 999 }),
  do: fc.oneof(
    { weight: 6, arbitrary: fc.constant("say" as const) },
    { weight: 6, arbitrary: fc.constantFrom("edit" as const, "react" as const, "unreact" as const) },
    { weight: 2, arbitrary: fc.constant("delete" as const) },
    { weight: 3, arbitrary: fc.constantFrom("close" as const, "reset" as const, "confirm" as const) },
  ),
});
/** What is in one of the inner arrays is done at the same time. */
const scripts = fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { minLength: 8, maxLength: 20 });

/** Three users, each with every other one, and all in a group. */
class Life {
  readonly #said: number[] = [];

  constructor(readonly readers: Reader[], readonly groupid: number) {}

  /** The conversations of a user. */
  places(userId: number): Place[] {
    const users = [...new Set(this.readers.map(({ device }) => device.user.id))];
    return [{ groupid: this.groupid }, ...users.map((toid) => ({ toid })).filter(({ toid }) => toid !== userId), { toid: userId }];
  }

  async run({ device, which, do: what }: Step): Promise<void> {
    const reader = this.readers[device]!;
    if (what === "close" || what === "reset") return await reader.leave(what === "close" ? "close" : "rst");
    try {
      const client = await reader.client();
      if (what === "confirm") {
        reader.take(client);
        return client.send({ msgid: 12, seq: reader.screen.seq });
      }
      if (what === "say") {
        const places = this.places(reader.device.user.id), place = places[which % places.length]!;
        const reply = which % 3 === 0 ? { reply: this.#said[which % Math.max(1, this.#said.length)] } : {};
        const answer = await client.request({ msgid: "groupid" in place ? 10 : 6, ...place, msg: `text ${which}`, ...reply });
        assert(answer.errno === 0 || answer.errno === 26, JSON.stringify(answer));
        if (answer.errno === 0) this.#said.push(answer.messageid!);
        return;
      }
      // The last ones are the ones that others look at as well.
      const messageid = this.#said.at(-1 - which % 12);
      if (messageid === undefined) return;
      const emoji = EMOJI[which % EMOJI.length];
      const request = {
        edit: { msgid: 25, msg: `changed ${which}` },
        delete: { msgid: 26 },
        react: { msgid: 27, emoji },
        unreact: { msgid: 27, emoji, off: true },
      }[what];
      const { errno } = await client.request({ ...request, messageid });
      assert([0, 22, 26].includes(errno!), `${what}: ${errno}`);
    } catch (error) {
      // The device may have been cut off meanwhile, or its login overtaken by a later one of its own.
      if (!String(error).includes("connection")) throw error;
    }
  }

  async leave(): Promise<void> {
    for (const reader of this.readers) await reader.leave("close");
  }

  async check(): Promise<void> {
    for (const reader of this.readers) {
      const places = this.places(reader.device.user.id);
      let shown: Map<number, Shown>[], seq: number;
      // What was asked for by who was cut off meanwhile may still be done: then the log has risen since HISTORY was asked.
      do {
        const client = await reader.finish();
        seq = reader.screen.seq;
        shown = await Promise.all(places.map((place) => shownOf(client, place)));
        await reader.finish();
      } while (reader.screen.seq > seq);
      for (const [i, place] of places.entries()) {
        assertEquals(
          reader.screen.conversation(place),
          shown[i],
          `${reader.device.user.name}, device ${reader.device.id}: ${JSON.stringify(place)}`,
        );
      }
    }
  }
}

/** Three users on two devices each, and a group that all are in. */
async function begin(server: Connects, groupname: string): Promise<Life> {
  const readers: Reader[] = [];
  for (let i = 0; i < USERS; i++) readers.push(...(await makeDevices(server, DEVICES)).map((device) => new Reader(server, device)));
  const { groupid } = await (await readers[0]!.client()).request({ msgid: 8, groupname, groupdesc: "" });
  for (const reader of [readers[2]!, readers[4]!]) assertEquals((await (await reader.client()).request({ msgid: 9, groupid })).errno, 0);
  return new Life(readers, groupid!);
}

databaseTest(`deeds: what each device put together is what HISTORY tells, in ${RUNS} random lives`, async (db) => {
  await using server = await startServer(db, { limits: "off" });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const life = await begin(server, `run${++run}`);
      try {
        for (const steps of script) await Promise.all(steps.map((step) => life.run(step)));
        await life.check();
      } finally {
        await life.leave();
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

databaseTest(`deeds: the same where the server is killed while they do it, in ${KILLED_RUNS} random lives`, async (db) => {
  let process: ServerProcess = await spawnServer(db, { limits: "off" }, { cheap: true });
  const server = { connect: () => process.connect() };
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(scripts, async (script) => {
        const life = await begin(server, `killed${++run}`);
        try {
          for (const [i, steps] of script.entries()) {
            const kill = i % 6 === 4;
            // What is under way may be done, or not.
            const running = steps.map((step) => kill ? life.run(step).catch(() => {}) : life.run(step));
            if (kill) {
              await Promise.race(running);
              await process.stop("SIGKILL");
            }
            await Promise.all(running);
            if (!kill) continue;
            await life.leave();
            process = await spawnServer(db, { limits: "off" }, { cheap: true });
          }
          await life.check();
        } finally {
          await life.leave();
        }
      }),
      { numRuns: KILLED_RUNS, endOnFailure: true },
    );
  } finally {
    await process.stop("SIGKILL");
  }
});
