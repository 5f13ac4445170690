/**
 * What idle clients cost: 10,000 modern connections that say nothing but PONG. Linux only.
 *
 *     deno run -A bench/idle.ts [CONNECTIONS [SECONDS]]
 *
 * Prints the server's share of a core, and its memory per connection.
 */
import { hold, makeUsers, type Natter, startNatter } from "./support.ts";

/** @returns resident bytes per connection, and the server's share of a core over `seconds` */
export async function idle(natter: Natter, count: number, seconds: number): Promise<{ bytes: number; share: number }> {
  const users = await makeUsers(natter, count);
  // Some logins first: what is loaded and compiled for them is no cost of a connection.
  const warm = Math.min(100, count >> 1);
  await using _first = await hold(natter.port, users.slice(0, warm));
  const before = await natter.memory();
  await using _rest = await hold(natter.port, users.slice(warm));
  // The logins are over when their last write is.
  await new Promise((resolve) => setTimeout(resolve, Math.min(2000, count)));
  const bytes = (await natter.memory() - before) / (count - warm);
  const begun = performance.now(), cpu = await natter.cpu();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return { bytes, share: (await natter.cpu() - cpu) / ((performance.now() - begun) / 1000) };
}

if (import.meta.main) {
  const count = Number(Deno.args[0] ?? 10_000), seconds = Number(Deno.args[1] ?? 40);
  await using natter = await startNatter();
  const { bytes, share } = await idle(natter, count, seconds);
  console.log(JSON.stringify({ connections: count, core_percent: Number((share * 100).toFixed(2)), bytes_per_connection: Math.round(bytes) }));
}
