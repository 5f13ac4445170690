/**
 * What idle clients cost: 10,000 modern connections that say nothing but PONG. Linux only.
 *
 *     deno run -A bench/idle.ts [CONNECTIONS [SECONDS]]
 *
 * Prints the server's share of a core, and its memory per connection.
 */
import { hold, makeUsers, startNatter } from "./support.ts";

const count = Number(Deno.args[0] ?? 10_000), seconds = Number(Deno.args[1] ?? 40);
/** Linux counts a process's time in hundredths of a second. */
const TICKS_PER_SECOND = 100;
const PAGE = 4096;

await using natter = await startNatter();
const cpu = async () => {
  const fields = (await Deno.readTextFile(`/proc/${natter.pid}/stat`)).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};
const memory = async () => Number((await Deno.readTextFile(`/proc/${natter.pid}/statm`)).split(" ")[1]) * PAGE;

const users = await makeUsers(natter.store, count);
// One login first: what is loaded and compiled for it is no cost of a connection.
const first = await hold(natter.port, users.slice(0, 1));
const before = await memory();
const rest = await hold(natter.port, users.slice(1));
const perConnection = (await memory() - before) / (count - 1);
// The logins are over when their last write is.
await new Promise((resolve) => setTimeout(resolve, 2000));
const begun = performance.now(), cpuBefore = await cpu();
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const share = (await cpu() - cpuBefore) / ((performance.now() - begun) / 1000);
console.log(JSON.stringify({ connections: count, core_percent: Number((share * 100).toFixed(2)), bytes_per_connection: Math.round(perConnection) }));
await first.end();
await rest.end();
