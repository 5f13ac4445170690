/**
 * Fuzzed input against a real server, and how a well-behaved client fares meanwhile.
 *
 *     deno run -A bench/fuzz.ts [INPUTS] [SEED] [--database mysql://root@127.0.0.1:3306/natter_fuzz]
 *
 * 100,000 inputs and a random seed by default; a database of one's own must be fresh. Prints how it goes every 100,000 inputs, and one JSON object at the end:
 * inputs per second, the steady client's latency (ms), the server's memory (MiB) before, at its most and after, what the log says of failures, how the server
 * ended. The exit code is 1 if there was a failure.
 */
import { parseArgs } from "node:util";
import { fuzzServer } from "../tests/support/fuzzed_server.ts";

const { values, positionals } = parseArgs({ args: Deno.args, options: { database: { type: "string" } }, allowPositionals: true });
const [count = 100_000, seed = Math.floor(Math.random() * 2 ** 31)] = positionals.map(Number);
console.log(`seed ${seed}`);
let printed = 0;
const report = await fuzzServer({
  count,
  seed,
  ...(values.database ? { database: values.database } : {}),
  progress: (done, memory) => {
    if (done < printed + 100_000) return;
    printed = done;
    console.log(`${done} inputs, ${Math.round(memory / 2 ** 20)} MiB`);
  },
});
console.log(JSON.stringify(report, undefined, 1));
Deno.exit(report.failures.length > 0 || report.exitCode !== 0 ? 1 : 0);
