// deno run --v8-flags=--expose-gc idle_node.ts TURNS: lets a node's loop turn so often without a pause, three times, and prints how many bytes a turn leaves behind:
// the least of the three, since what is loaded once, such as what the first line of the log needs, is no leak.

import { Router } from "../../src/cluster/router.ts";
import type { PresenceListener } from "../../src/presence/departure.ts";
import { ConnectionTable } from "../../src/presence/connection_table.ts";
import type { Login } from "../../src/presence/login.ts";
import { NodeLife } from "../../src/presence/node_life.ts";
import { OfflineWriter } from "../../src/presence/offline_writer.ts";
import type { Store } from "../../src/store/store.ts";

const WARM_UP = 300, TURNS = Number(Deno.args[0]), TIMES = 3;

const ends = Array.from({ length: TIMES + 1 }, (_, i) => ({ turn: WARM_UP + i * TURNS, reached: Promise.withResolvers<void>() }));
let turns = 0;
const store = {
  takeKicks: () => {
    turns++;
    ends.find(({ turn }) => turn === turns)?.reached.resolve();
    return Promise.resolve([]);
  },
} as unknown as Store;
const table = new ConnectionTable();
const listener: PresenceListener = { changed: () => {} };
const never = 3600_000, nothing = () => {};
const life = new NodeLife({
  store,
  table,
  router: new Router("a"),
  login: {} as Login,
  offline: new OfflineWriter(store),
  times: { renew: never, lease: never, kicks: 0, reconcile: never },
  listener,
  end: nothing,
  noticed: nothing,
  fatal: nothing,
});
life.start();
const held: number[] = [];
for (const { reached } of ends) {
  await reached.promise;
  held.push(await used());
}
console.log(Math.min(...held.slice(1).map((bytes, i) => (bytes - held[i]!) / TURNS)));
await life.close();
await table.close();

/** What the heap holds after a collection (bytes). */
async function used(): Promise<number> {
  const { gc } = globalThis as unknown as { gc: () => void };
  gc();
  await new Promise((resolve) => setTimeout(resolve, 0));
  gc();
  return Deno.memoryUsage().heapUsed;
}
