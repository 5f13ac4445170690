/**
 * What many ask at the same moment is asked of the database together, as group commit stores messages: the logins of a crowd that comes back.
 *
 * 1. What is asked in one turn of the event loop, and while {@linkcode UNDER_WAY} batches are being answered, makes the next batch, in the order it came.
 * 2. Each has its own answer: an Error among the answers rejects one alone.
 * 3. A batch that the database refuses, or that met a lock, has changed nothing. Each of it is then asked alone, beside the batches that follow, so that it
 *    fails or waits alone.
 * 4. When a batch finds the database away, those who wait are rejected with it: nobody waits for one time-out after another. More than
 *    {@linkcode MOST_GATHERED} are refused.
 */
import { setImmediate } from "node:timers";
import { StoreUnavailable } from "../store.ts";

/** Most of one batch: with two of them under way, the database and natter work at the same time. */
const GATHERED_AT_ONCE = 32;
const UNDER_WAY = 2;
const MOST_GATHERED = 10_000;

interface Call<Q, A> {
  question: Q;
  resolve(answer: A): void;
  reject(error: unknown): void;
}

/**
 * @param ask answers questions, each in its place. Unless asked `alone`, it throws at the first lock.
 * @returns asks one question. Throws {@linkcode StoreUnavailable}, and what `ask` throws or answers for it.
 */
export function gathered<Q, A>(ask: (questions: Q[], alone: boolean) => Promise<(A | Error)[]>): (question: Q) => Promise<A> {
  const waiting: Call<Q, A>[] = [];
  let underWay = 0;

  async function answer(calls: Call<Q, A>[], alone = false): Promise<void> {
    try {
      const answers = await ask(calls.map((call) => call.question), alone);
      for (const [i, answer] of answers.entries()) {
        if (answer instanceof Error) calls[i].reject(answer);
        else calls[i].resolve(answer);
      }
    } catch (error) {
      if (alone) return calls[0].reject(error);
      if (error instanceof StoreUnavailable) return [...calls, ...waiting.splice(0)].forEach((call) => call.reject(error));
      for (const call of calls) void answer([call], true);
    }
  }

  async function run(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (waiting.length > 0) await answer(waiting.splice(0, GATHERED_AT_ONCE));
    underWay--;
  }

  return (question) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= MOST_GATHERED) return reject(new StoreUnavailable("the database is overloaded: too many requests wait for it"));
      waiting.push({ question, resolve, reject });
      if (underWay === UNDER_WAY) return;
      underWay++;
      void run();
    });
}
