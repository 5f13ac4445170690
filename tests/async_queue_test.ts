// The queue between many writers and one task.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AsyncQueue } from "../src/async/async_queue.ts";

/** The batches of a queue until it is closed. */
async function drain<T>(queue: AsyncQueue<T>, work: (batch: readonly T[]) => void | Promise<void> = () => {}): Promise<T[][]> {
  const batches: T[][] = [];
  for await (const batch of queue) {
    batches.push([...batch]);
    await work(batch);
  }
  return batches;
}

Deno.test("async queue: what has come since the last turn is one batch, in order", async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.push(2);
  const batches = drain(queue, (batch) => {
    if (batch.includes(2)) {
      queue.push(3);
      queue.push(4);
    }
    if (batch.includes(4)) queue.close();
  });
  assertEquals(await batches, [[1, 2], [3, 4]]);
});

Deno.test("async queue: the task sleeps while there is nothing, and is woken by each push", async () => {
  const queue = new AsyncQueue<number>();
  const taken: number[] = [];
  let next = Promise.withResolvers<void>();
  const task = drain(queue, (batch) => {
    taken.push(...batch);
    next.resolve();
  });
  for (let i = 0; i < 5; i++) {
    next = Promise.withResolvers();
    queue.push(i);
    assertEquals(taken.length, i, "push does not run the task");
    await next.promise;
  }
  queue.close();
  assertEquals(await task, [[0], [1], [2], [3], [4]]);
});

Deno.test("async queue: what was pushed before close is still given, what comes after it is refused", async () => {
  const queue = new AsyncQueue<string>();
  queue.push("last");
  queue.close();
  assertThrows(() => queue.push("late"), Error, "closed");
  assertEquals(await drain(queue), [["last"]]);
  const idle = new AsyncQueue<string>();
  const task = drain(idle);
  await Promise.resolve();
  idle.close();
  assertEquals(await task, []);
});

Deno.test("async queue: a second task is refused", async () => {
  const queue = new AsyncQueue<number>();
  const first = drain(queue);
  await assertRejects(() => drain(queue), Error, "has a task already");
  queue.close();
  await first;
});

Deno.test("async queue: any number of writers, a task of any speed: nothing is lost, doubled or overtaken", async () => {
  const writers = fc.array(fc.array(fc.nat(3), { maxLength: 10 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(writers, fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }), async (pauses, slowness) => {
      const queue = new AsyncQueue<[writer: number, item: number]>();
      const turns = async (n: number) => {
        for (let i = 0; i < n; i++) await Promise.resolve();
      };
      let batch = 0;
      const task = drain(queue, () => turns(slowness[batch++ % slowness.length]!));
      await Promise.all(pauses.map(async (mine, writer) => {
        for (const [item, pause] of mine.entries()) {
          await turns(pause);
          queue.push([writer, item]);
        }
      }));
      queue.close();
      const batches = await task;
      const all = batches.flat();
      for (const [writer, mine] of pauses.entries()) {
        assertEquals(all.filter(([w]) => w === writer).map(([, item]) => item), mine.map((_, item) => item));
      }
      assertEquals(batches.filter((b) => b.length === 0), [], "no batch is empty");
    }),
    { numRuns: 300 },
  );
});
