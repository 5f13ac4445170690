// Whatever three users do, and however often they or the server go: what each received, by seq and made unique, is what was acknowledged to be for them.

import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { databaseTest } from "./support/databases.ts";
import type { RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestServer, type TestUser } from "./support/server.ts";

const RUNS = 15;

type Step =
  | { do: "send"; from: number; to: number; count: number }
  | { do: "confirm" | "disconnect" | "reset" | "connect"; who: number }
  | { do: "restart" };

const who = fc.nat({ max: 2 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("send" as const), from: who, to: who, count: fc.integer({ min: 1, max: 5 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom("confirm" as const, "disconnect" as const, "reset" as const, "connect" as const), who }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
  ),
  { minLength: 5, maxLength: 40 },
);

class Person {
  client: RawClient | undefined;
  /** By seq; the same seq must always bring the same text. */
  readonly received = new Map<number, string>();
  readonly acknowledged: string[] = [];

  constructor(readonly user: TestUser) {}

  async connect(s: TestServer): Promise<void> {
    this.client ??= await s.client(this.user);
  }

  /** Takes what is there, as far as it has come. */
  async take(count: number): Promise<void> {
    while (this.received.size < count) {
      const { seq, msg } = await this.client!.next((m) => m.msgid === 6);
      const before = this.received.get(seq as number);
      if (before !== undefined) assertEquals(msg, before, "a seq brought two texts");
      this.received.set(seq as number, msg as string);
    }
  }

  async leave(how: "close" | "rst"): Promise<void> {
    await this.client?.[how]();
    this.client = undefined;
  }
}

databaseTest(`inbox: what arrives is what was acknowledged, in ${RUNS} random lives`, async (db) => {
  let run = 0;
  await (await startServer(db)).server.close();
  const check = async (life: Step[]) => {
    let s = await startServer(db, { limits: "off" });
    try {
      const people = (await makeUsers(db, 3, `p${++run}_`)).map((user) => new Person(user));
      let sent = 0;
      for (const step of life) {
        if (step.do === "restart") {
          await s.server.close();
          for (const person of people) await person.leave("close");
          s = await startServer(db, { limits: "off" });
        } else if (step.do === "send") {
          const from = people[step.from]!, to = people[step.to]!;
          await from.connect(s);
          const texts = Array.from({ length: step.count }, () => `t${sent++}`);
          for (const msg of texts) from.client!.send({ msgid: 6, toid: to.user.id, msg, ref: msg, mid: msg });
          for (const msg of texts) {
            assertEquals((await from.client!.next((m) => m.ref === msg)).errno, 0);
            to.acknowledged.push(msg);
          }
        } else {
          const person = people[step.who]!;
          if (step.do === "connect") await person.connect(s);
          else if (step.do === "disconnect") await person.leave("close");
          else if (step.do === "reset") await person.leave("rst");
          else if (person.client) {
            await person.take(person.acknowledged.length);
            person.client.send({ msgid: 12, seq: person.acknowledged.length });
          }
        }
      }
      for (const person of people) {
        await person.connect(s);
        await person.take(person.acknowledged.length);
        const inOrder = [...person.received].sort(([a], [b]) => a - b);
        assertEquals(inOrder, person.acknowledged.map((text, i) => [i + 1, text]));
        await person.leave("close");
      }
    } finally {
      await s.server.close();
    }
  };
  await fc.assert(fc.asyncProperty(steps, check), { numRuns: RUNS, endOnFailure: true });
});
