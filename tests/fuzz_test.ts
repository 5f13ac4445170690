// Whatever comes in, the server answers, others wait for nothing, its memory comes back, and nothing fails inside. `bench/fuzz.ts` is the same for hours.

import { assert, assertEquals } from "@std/assert";
import { fuzzServer } from "./support/fuzzed_server.ts";

const COUNT = 100_000;
/** A well-behaved client's answers: 99 of 100 come within this (ms) on a machine that has nothing else to do. */
const P99 = 100;
/** On one that has, the server and the client each wait for their turn, some times per answer, as long as the client's timer does. */
const TURNS = 5;
/** MiB. A leak of 2 KB per input would be twice as much. */
const MOST_GROWTH = 96;

Deno.test(`fuzz: ${COUNT} inputs on several connections, logged in and not`, async () => {
  const seed = Number(Deno.env.get("NATTER_TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  const { inputs, latency, memory, answers, failures, exitCode } = await fuzzServer({ count: COUNT, seed });
  const about = `NATTER_TEST_SEED=${seed} ${JSON.stringify({ latency, memory })}`;
  assertEquals({ inputs, failures, exitCode }, { inputs: COUNT, failures: [], exitCode: 0 }, about);
  assert(latency.p99 < P99 + TURNS * latency.timerP99, about);
  assert(memory.after - memory.before < MOST_GROWTH, about);
  // The inputs go deep enough: every errno that input alone can lead to was answered, but for those that depend on what others hold.
  for (const errno of [0, 1, 10, 11, 12, 13, 16, 17, 18, 22, 23]) assert(answers[`11 ${errno}`]! > 0, `no errno ${errno}; ${about}`);
  for (const key of ["2 0", "2 1", "2 13", "2 21", "5 13", "6", "10", "11 14", "14", "20", "21"]) {
    assert(answers[key]! > 0, `no ${key}; ${about}`);
  }
});
