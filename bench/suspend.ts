/**
 * A node is stopped (SIGSTOP) for 30 s while another one lives on the same MySQL: its users are swept, some move, and after SIGCONT it does no harm.
 *
 *     deno run -A bench/suspend.ts [mysql://root@127.0.0.1:3306]
 *
 * Prints what it saw, and ends with exit code 1 if anything was wrong 20 s after SIGCONT.
 */
import { testDatabase } from "../tests/support/databases.ts";
import { RawClient } from "../tests/support/raw_client.ts";
import { makeUsers, spawnServer, startServer } from "../tests/support/server.ts";

const STOPPED_MS = 30_000, AFTER_MS = 20_000, USERS = 20, MOVING = 5;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

await using db = await testDatabase("mysql");
await (await startServer(db)).server.close();
const users = await makeUsers(db, USERS);
await using a = await spawnServer(db, { node: "a" });
await using b = await spawnServer(db, { node: "b" });
const login = async (port: number, user: { id: number; token: string }) => {
  const client = await RawClient.connect(port);
  client.answerPings();
  const { errno } = await client.login({ id: user.id, token: user.token, proto: 2 });
  return { client, errno };
};
const clients = await Promise.all(users.map(async (user) => (await login(a.port, user)).client));
const states = async () => {
  const rows = await db.query("select node, count(*) as n from user where state = 'online' group by node order by node");
  return rows.map(({ node, n }) => `${node}: ${n}`).join(", ") || "nobody";
};
console.log(`online before: ${await states()}`);
a.process.kill("SIGSTOP");
const begun = performance.now();
while (await states() !== "nobody") {
  if (performance.now() - begun > 20_000) throw new Error("not swept");
  await sleep(100);
}
console.log(`swept after ${Math.round(performance.now() - begun)} ms`);
const moved = await Promise.all(users.slice(0, MOVING).map((user) => login(b.port, user)));
console.log(`logins on the other node: errno ${moved.map((m) => m.errno)}`);
await sleep(STOPPED_MS - (performance.now() - begun));
a.process.kill("SIGCONT");
await sleep(AFTER_MS);
console.log(`online ${AFTER_MS / 1000} s after SIGCONT: ${await states()}`);
const alive = await Promise.all(clients.slice(MOVING).map((client) => client.request({ msgid: 13 }).then(() => true, () => false)));
const closed = await Promise.all(
  clients.slice(0, MOVING).map((client) => Promise.race([client.closed.then(() => true), sleep(10).then(() => false)])),
);
console.log(
  `who stayed is served: ${alive.filter(Boolean).length} of ${alive.length}; who moved was closed on the first node: ${
    closed.filter(Boolean).length
  } of ${MOVING}`,
);
const right = await states() === `a: ${USERS - MOVING}, b: ${MOVING}` && alive.every(Boolean) && closed.every(Boolean);
console.log(right ? "all is right" : "WRONG");
await Promise.all([...clients, ...moved.map((m) => m.client)].map((client) => client.close()));
await a.stop();
await b.stop();
Deno.exitCode = right ? 0 : 1;
