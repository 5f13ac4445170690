/**
 * How long until everyone is offline in the database when many clients vanish in one instant, and what it costs those who log in meanwhile.
 *
 *     deno run -A bench/storm.ts [--database mysql://root@127.0.0.1:3306/natter_storm] [VANISH[+BYSTANDERS] …]
 *
 * Without arguments: 4000, 10000, 1000+1000 and 1000+10000, on a SQLite file of its own. The clients are processes of their own, which are killed (SIGKILL).
 * Prints one JSON object per storm: `offline_ms` from the kill to the last row, `login_ms` the longest login meanwhile.
 */
import { parseArgs } from "node:util";
import { allOffline, hold, makeUsers, type Natter, startNatter, type User } from "./support.ts";

/** Logs one user in and out until told to stop. @returns the longest login (ms) */
async function loginAgainAndAgain(port: number, user: User, stop: { now: boolean }): Promise<number> {
  let longest = 0;
  while (!stop.now) {
    const begun = performance.now();
    const conn = await Deno.connect({ port });
    conn.setNoDelay(true);
    await conn.write(new TextEncoder().encode(JSON.stringify({ msgid: 1, ...user, proto: 2 }) + "\n"));
    const buffer = new Uint8Array(65536);
    let text = "";
    while (!text.includes("\n")) text += new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
    if (!text.includes('"errno":0')) throw new Error(`a login was refused: ${text}`);
    longest = Math.max(longest, performance.now() - begun);
    conn.close();
  }
  return longest;
}

/** @returns milliseconds from the instant `vanish` clients are killed to the last row, and the longest login meanwhile */
export async function storm({ port, store, url }: Natter, vanish: number, bystanders: number): Promise<{ offline: number; login: number }> {
  await using _staying = await hold(port, await makeUsers({ store, url }, bystanders));
  const users = await makeUsers({ store, url }, vanish);
  await using going = await hold(port, users);
  const [witness] = await makeUsers({ store, url }, 1);
  const stop = { now: false };
  const logins = loginAgainAndAgain(port, witness!, stop);
  const begun = performance.now();
  going.kill();
  await allOffline(store, users);
  const offline = performance.now() - begun;
  stop.now = true;
  return { offline, login: await logins };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ args: Deno.args, options: { database: { type: "string" } }, allowPositionals: true });
  await using natter = await startNatter(values);
  for (const text of positionals.length > 0 ? positionals : ["4000", "10000", "1000+1000", "1000+10000"]) {
    const [vanish = 0, bystanders = 0] = text.split("+").map(Number);
    const { offline, login } = await storm(natter, vanish, bystanders);
    console.log(JSON.stringify({ vanish, bystanders, offline_ms: Math.round(offline), login_ms: Math.round(login) }));
  }
}
