// What is asked at the same moment is asked together, and answered one by one.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LockConflict } from "../src/store/mysql/errors.ts";
import { gathered } from "../src/store/mysql/gather.ts";
import { StoreUnavailable } from "../src/store/store.ts";

/** A database that answers when it is told to: a number by its double. */
function database() {
  /** The batches so far. */
  const asked: number[][] = [];
  const open: { questions: number[]; resolve(answers: (number | Error)[]): void; reject(error: Error): void }[] = [];
  const ask = gathered((questions: number[]) => {
    asked.push(questions);
    const { promise, resolve, reject } = Promise.withResolvers<(number | Error)[]>();
    open.push({ questions, resolve, reject });
    return promise;
  });
  return {
    asked,
    ask,
    /** Resolves when so many batches are under way. */
    async underWay(count: number): Promise<void> {
      while (open.length < count) await turn();
    },
    /** Answers, or fails, the batch that is under way for longest. */
    answer(how: (question: number) => number | Error = (question) => 2 * question): void {
      const { questions, resolve } = open.shift()!;
      resolve(questions.map(how));
    },
    fail(error: Error): void {
      open.shift()!.reject(error);
    },
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

function numbers(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

Deno.test("gather: what is asked in one turn is one batch, in its order, and so is what comes while two are under way", async () => {
  const db = database();
  const first = numbers(0, 3).map(db.ask);
  await db.underWay(1);
  const second = numbers(10, 2).map(db.ask);
  await db.underWay(2);
  const rest: Promise<number>[] = [];
  for (const i of numbers(20, 40)) {
    rest.push(db.ask(i));
    await turn();
  }
  assertEquals(db.asked, [[0, 1, 2], [10, 11]]);
  db.answer();
  assertEquals(await Promise.all(first), [0, 2, 4]);
  await db.underWay(2);
  assertEquals(db.asked.slice(2), [numbers(20, 32)]);
  db.answer();
  assertEquals(await Promise.all(second), [20, 22]);
  await db.underWay(2);
  assertEquals(db.asked.slice(3), [numbers(52, 8)]);
  db.answer();
  db.answer();
  assertEquals(await Promise.all(rest), numbers(20, 40).map((i) => 2 * i));
});

Deno.test("gather: an error among the answers is one's own", async () => {
  const db = database();
  const results = Promise.allSettled(numbers(0, 3).map(db.ask));
  await db.underWay(1);
  db.answer((question) => question === 1 ? new Error("one") : question);
  assertEquals((await results).map((result) => result.status), ["fulfilled", "rejected", "fulfilled"]);
});

Deno.test("gather: what met a lock is asked alone, and holds nobody up", async () => {
  const db = database();
  const results = numbers(0, 3).map(db.ask);
  const locked = assertRejects(() => results[1], StoreUnavailable);
  await db.underWay(1);
  db.fail(new LockConflict());
  await db.underWay(3);
  results.push(db.ask(3));
  await db.underWay(4);
  results.push(db.ask(4));
  await db.underWay(5);
  assertEquals(db.asked, [[0, 1, 2], [0], [1], [2], [3], [4]]);
  results.push(db.ask(5));
  db.answer();
  db.fail(new StoreUnavailable("locked for good"));
  for (let i = 0; i < 3; i++) db.answer();
  await db.underWay(1);
  db.answer();
  await locked;
  assertEquals(await Promise.all(results.toSpliced(1, 1)), [0, 4, 6, 8, 10]);
});

Deno.test("gather: when the database is away, those who wait hear of it too, and later ones are asked again", async () => {
  const db = database();
  const asked = [db.ask(1), db.ask(2)];
  await db.underWay(1);
  asked.push(db.ask(3));
  await db.underWay(2);
  asked.push(db.ask(4));
  await turn();
  db.fail(new StoreUnavailable("away"));
  for (const i of [0, 1, 3]) await assertRejects(() => asked[i], StoreUnavailable, "away");
  const later = db.ask(5);
  db.answer();
  await db.underWay(1);
  db.answer();
  assertEquals(await Promise.all([asked[2], later]), [6, 10]);
});

Deno.test("gather: so many may wait, more are refused", async () => {
  const db = database();
  const first = Promise.allSettled([db.ask(0)]);
  await db.underWay(1);
  const second = db.ask(2);
  await db.underWay(2);
  const waiting = Promise.allSettled(numbers(0, 10_000).map(db.ask));
  await assertRejects(() => db.ask(1), StoreUnavailable, "overloaded");
  db.fail(new StoreUnavailable("away"));
  assert([...await first, ...await waiting].every((result) => result.status === "rejected"));
  db.answer();
  assertEquals(await second, 4);
});
