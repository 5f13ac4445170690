/**
 * How long until everyone is offline in the database when many clients vanish in one instant, and what it costs those who log in meanwhile.
 *
 *     deno run -A bench/storm.ts [--database mysql://root@127.0.0.1:3306/natter_storm] [VANISH[+BYSTANDERS] …]
 *
 * Without arguments: 4000, 10000, 1000+1000 and 1000+10000, on a SQLite file of its own. The clients are processes of their own, which are killed (SIGKILL).
 * Prints one JSON object per storm: `offline_ms` from the kill to the last row, `login_ms` the longest login meanwhile.
 */
import { parseArgs } from "node:util";
import { hold, makeUsers, type Natter, startNatter, type User } from "./support.ts";

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

async function storm({ port, store }: Natter, vanish: number, bystanders: number): Promise<void> {
  const staying = await hold(port, await makeUsers(store, bystanders));
  const users = await makeUsers(store, vanish);
  const going = await hold(port, users);
  const [witness] = await makeUsers(store, 1);
  const stop = { now: false };
  const logins = loginAgainAndAgain(port, witness!, stop);
  const ids = users.map((user) => user.id);
  const anyOnline = async () => {
    for (let i = 0; i < ids.length; i += 500) if ((await store.nodesOf(ids.slice(i, i + 500))).size > 0) return true;
    return false;
  };
  going.kill();
  const begun = performance.now();
  // With a pause: a store on SQLite reads at once, and would keep the logins of this process waiting.
  while (await anyOnline()) await new Promise((resolve) => setTimeout(resolve, 5));
  const offline = performance.now() - begun;
  stop.now = true;
  console.log(JSON.stringify({ vanish, bystanders, offline_ms: Math.round(offline), login_ms: Math.round(await logins) }));
  await going.end();
  await staying.end();
}

const { values, positionals } = parseArgs({ args: Deno.args, options: { database: { type: "string" } }, allowPositionals: true });
await using natter = await startNatter(values.database);
for (const text of positionals.length > 0 ? positionals : ["4000", "10000", "1000+1000", "1000+10000"]) {
  const [vanish = 0, bystanders = 0] = text.split("+").map(Number);
  await storm(natter, vanish, bystanders);
}
