// The connection table has one writer: the task of its queue.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Connection, type Transport } from "../src/net/connection.ts";
import { ConnectionTable } from "../src/presence/connection_table.ts";
import { newSessionId, Session } from "../src/presence/session.ts";

const transport: Transport = {
  kind: "tcp",
  address: "127.0.0.1",
  write: () => {},
  closeWrite: () => Promise.resolve(),
  close: () => {},
};

function sessionOf(userId: number): Session {
  return new Session(newSessionId(), userId, `user${userId}`, new Connection(transport, 1024), true);
}

Deno.test("connection table: bind and unbind take effect in the queue's task, not before", async () => {
  const table = new ConnectionTable();
  const session = sessionOf(1);
  const binding = table.bind(session);
  assertEquals([table.get(1), table.size, table.all()], [undefined, 0, []], "bind was called, and is not applied");
  assertEquals(await binding, undefined);
  assertEquals([table.get(1), table.size, table.all()], [session, 1, [session]]);
  const unbinding = table.unbind(session);
  assertEquals([table.get(1), table.size], [session, 1], "unbind was called, and is not applied");
  assertEquals(await unbinding, true);
  assertEquals([table.get(1), table.size], [undefined, 0]);
  await table.close();
});

Deno.test("connection table: a late departure never removes a later login", async () => {
  const table = new ConnectionTable();
  const [first, second] = [sessionOf(1), sessionOf(1)];
  await table.bind(first);
  assertEquals(await table.bind(second), first, "who was displaced is told");
  assertEquals(await table.unbind(first), false);
  assertEquals(table.get(1), second);
  // The same without waiting in between: the order of the calls is the order of the table.
  const third = sessionOf(1);
  assertEquals(await Promise.all([table.bind(third), table.unbind(second), table.unbind(third), table.unbind(third)]), [second, false, true, false]);
  assertEquals(table.get(1), undefined);
  await table.close();
});

Deno.test("connection table: what it gives away is not the table", async () => {
  const table = new ConnectionTable();
  const session = sessionOf(1);
  await table.bind(session);
  table.all().pop();
  assertEquals(table.get(1), session);
  // Nothing but private fields holds the Map, and nothing but these is there to be called.
  assertEquals(Reflect.ownKeys(table), []);
  assertEquals(Reflect.ownKeys(ConnectionTable.prototype).sort(), ["all", "bind", "close", "constructor", "get", "size", "unbind"]);
  // The types say so as well: whoever keeps a session cannot move it to another user, and nobody sets what the table counts.
  // @ts-expect-error a session's user is read-only
  const move = () => session.userId = 2;
  // @ts-expect-error so is the size
  const resize = () => table.size = 0;
  assert(move !== undefined && resize !== undefined);
  await table.close();
});

Deno.test("connection table: what was asked for before close is applied", async () => {
  const table = new ConnectionTable();
  const session = sessionOf(1);
  const binding = table.bind(session);
  await table.close();
  assertEquals(await binding, undefined);
  assertEquals(table.get(1), session);
});

Deno.test("connection table: any binds and unbinds, waited for or not, agree with a Map changed one by one", async () => {
  const step = fc.record({ event: fc.constantFrom("bind", "unbind"), session: fc.nat(8), wait: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const table = new ConnectionTable();
      const model = new Map<number, Session>();
      // Three users with three sessions each.
      const sessions = Array.from({ length: 9 }, (_, i) => sessionOf(i % 3));
      const outcomes: Promise<unknown>[] = [];
      const expected: unknown[] = [];
      for (const { event, session: index, wait } of steps) {
        const session = sessions[index]!;
        const held = model.get(session.userId);
        if (event === "bind") {
          outcomes.push(table.bind(session));
          expected.push(held);
          model.set(session.userId, session);
        } else {
          outcomes.push(table.unbind(session));
          expected.push(held === session);
          if (held === session) model.delete(session.userId);
        }
        if (!wait) continue;
        await outcomes.at(-1);
        for (const userId of [0, 1, 2]) assertEquals(table.get(userId), model.get(userId));
      }
      const got = await Promise.all(outcomes);
      assertEquals(got.map((o) => o instanceof Session ? o.id : o), expected.map((o) => o instanceof Session ? o.id : o));
      assertEquals(table.size, model.size);
      assertEquals(new Set(table.all()), new Set(model.values()));
      await table.close();
    }),
    { numRuns: 300 },
  );
});
