// The connection table has one writer: the task of its queue.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Connection, type Transport } from "../src/net/connection.ts";
import { newSessionId, Session } from "../src/net/session.ts";
import { type Bound, ConnectionTable, type Unbound } from "../src/presence/connection_table.ts";

const transport: Transport = {
  kind: "tcp",
  address: "127.0.0.1",
  write: () => {},
  closeWrite: () => Promise.resolve(),
  close: () => {},
};

function sessionOf(userId: number, device = 0): Session {
  const connection = new Connection(transport, 1024);
  return new Session(newSessionId(), userId, `user${userId}`, { id: device, name: "" }, false, 2, connection, { version: 1 });
}

Deno.test("connection table: bind and unbind take effect in the queue's task, not before", async () => {
  const table = new ConnectionTable();
  const session = sessionOf(1);
  const binding = table.bind(session);
  assertEquals([table.of(1), table.size, table.all()], [[], 0, []], "bind was called, and is not applied");
  assertEquals(await binding, { displaced: undefined, first: true });
  assertEquals([table.get(1, 0), table.of(1), table.size, table.all()], [session, [session], 1, [session]]);
  const unbinding = table.unbind(session);
  assertEquals([table.get(1, 0), table.size], [session, 1], "unbind was called, and is not applied");
  assertEquals(await unbinding, { was: true, last: true });
  assertEquals([table.get(1, 0), table.size], [undefined, 0]);
  await table.close();
});

Deno.test("connection table: a late departure never removes a later login", async () => {
  const table = new ConnectionTable();
  const [first, second] = [sessionOf(1), sessionOf(1)];
  await table.bind(first);
  assertEquals(await table.bind(second), { displaced: first, first: false }, "who was displaced is told");
  assertEquals(await table.unbind(first), { was: false, last: false });
  assertEquals(table.get(1, 0), second);
  // The same without waiting in between: the order of the calls is the order of the table.
  const third = sessionOf(1);
  assertEquals(await Promise.all([table.bind(third), table.unbind(second), table.unbind(third), table.unbind(third)]), [
    { displaced: second, first: false },
    { was: false, last: false },
    { was: true, last: true },
    { was: false, last: true },
  ]);
  assertEquals(table.of(1), []);
  await table.close();
});

Deno.test("connection table: the devices of a user are beside one another", async () => {
  const table = new ConnectionTable();
  const [phone, desktop, other] = [sessionOf(1, 1), sessionOf(1, 2), sessionOf(2, 1)];
  assertEquals((await table.bind(phone)).first, true);
  const before = table.of(1);
  assertEquals(await table.bind(desktop), { displaced: undefined, first: false });
  assertEquals((await table.bind(other)).first, true);
  assertEquals([table.get(1, 1), table.get(1, 2), table.get(1, 0), table.size], [phone, desktop, undefined, 3]);
  assertEquals([before, table.of(1)], [[phone], [phone, desktop]], "who walks through a list is not disturbed");
  assertEquals(await table.unbind(phone), { was: true, last: false });
  assertEquals([table.of(1), table.has(phone), table.has(desktop)], [[desktop], false, true]);
  assertEquals(await table.unbind(desktop), { was: true, last: true });
  await table.close();
});

Deno.test("connection table: what it gives away is not the table", async () => {
  const table = new ConnectionTable();
  const session = sessionOf(1);
  await table.bind(session);
  table.all().pop();
  assertEquals(table.get(1, 0), session);
  // Nothing but private fields holds the Map, and nothing but these is there to be called.
  assertEquals(Reflect.ownKeys(table), []);
  const methods = ["all", "bind", "close", "constructor", "get", "has", "of", "size", "unbind"];
  assertEquals(Reflect.ownKeys(ConnectionTable.prototype).sort(), methods);
  // The types say so as well: whoever keeps a session cannot move it to another user, and nobody sets what the table counts.
  // @ts-expect-error a session's user is read-only
  const move = () => session.userId = 2;
  // @ts-expect-error so is its device
  const change = () => session.device.id = 2;
  // @ts-expect-error so is the size
  const resize = () => table.size = 0;
  // @ts-expect-error and so are the lists
  const add = () => table.of(1).push(session);
  assert(move !== undefined && change !== undefined && resize !== undefined && add !== undefined);
  await table.close();
});

Deno.test("connection table: what was asked for before close is applied", async () => {
  const table = new ConnectionTable();
  const session = sessionOf(1);
  const binding = table.bind(session);
  await table.close();
  assertEquals((await binding).displaced, undefined);
  assertEquals(table.get(1, 0), session);
});

Deno.test("connection table: any binds and unbinds, waited for or not, agree with a Map changed one by one", async () => {
  const step = fc.record({ event: fc.constantFrom("bind", "unbind"), session: fc.nat(11), wait: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const table = new ConnectionTable();
      const model = new Map<string, Session>();
      // Two users with three devices, each of which has two sessions.
      const sessions = Array.from({ length: 12 }, (_, i) => sessionOf(i % 2, i % 3));
      const keyOf = ({ userId, device }: Session) => `${userId}/${device.id}`;
      const count = (userId: number) => [...model.values()].filter((session) => session.userId === userId).length;
      const outcomes: Promise<Bound | Unbound>[] = [];
      const expected: (Bound | Unbound)[] = [];
      for (const { event, session: index, wait } of steps) {
        const session = sessions[index]!;
        const held = model.get(keyOf(session));
        if (event === "bind") {
          outcomes.push(table.bind(session));
          expected.push({ displaced: held, first: count(session.userId) === 0 });
          model.set(keyOf(session), session);
        } else {
          outcomes.push(table.unbind(session));
          if (held === session) model.delete(keyOf(session));
          expected.push({ was: held === session, last: count(session.userId) === 0 });
        }
        if (!wait) continue;
        await outcomes.at(-1);
        for (const userId of [0, 1]) for (const device of [0, 1, 2]) assert(table.get(userId, device) === model.get(`${userId}/${device}`));
      }
      const plain = (outcome: Bound | Unbound) => "first" in outcome ? { ...outcome, displaced: outcome.displaced?.id } : outcome;
      assertEquals((await Promise.all(outcomes)).map(plain), expected.map(plain));
      assertEquals(table.size, model.size);
      assertEquals(new Set(table.all()), new Set(model.values()));
      await table.close();
    }),
    { numRuns: 300 },
  );
});
