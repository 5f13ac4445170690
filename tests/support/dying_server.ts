// As a program it is `natter serve` that dies as by kill -9 at one of its steps: `before:3` when its store would be called for the third time since it was first
// asked to store something, `after:3` when that call is done and nothing has followed from it.

import { serve } from "../../src/cli/serve.ts";
import type { Store } from "../../src/store/store.ts";
import { StoreWatch } from "./around_store.ts";

/** Steps of what clients do; the others come by the clock. */
const STEPS = new Set<keyof Store>(["append", "act", "log", "confirm", "read", "release"]);

if (import.meta.main) {
  const [when, ...args] = Deno.args;
  const [side, number] = when!.split(":");
  const watch = new StoreWatch();
  let step = 0;
  const die = () => {
    Deno.kill(Deno.pid, "SIGKILL");
    return new Promise<never>(() => {});
  };
  watch.around = async (call) => {
    if (!STEPS.has(call.name) || step === 0 && call.name !== "append") return await call.run();
    const last = ++step === Number(number);
    if (last && side === "before") return await die();
    const result = await call.run();
    return last ? await die() : result;
  };
  Deno.exit(await serve(args, { store: watch.wrap }));
}
