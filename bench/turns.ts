/**
 * A natter server that writes down, twice a second, how long its longest turn of the event loop was: as a line `time longest` (ms) of the file that
 * `NATTER_BENCH_TURNS` names. A turn counts as what the process computed in it, if that is less than what the clock says.
 */
import process from "node:process";

const file = Deno.env.get("NATTER_BENCH_TURNS")!;
const computed = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
let clock = performance.now(), cpu = computed(), told = clock, longest = 0;
// A timer comes in each turn, if it is due.
setInterval(() => {
  const now = performance.now(), used = computed();
  longest = Math.max(longest, Math.min(now - clock, used - cpu));
  [clock, cpu] = [now, used];
  if (now - told < 500) return;
  Deno.writeTextFileSync(file, `${Date.now()} ${longest.toFixed(1)}\n`, { append: true });
  [told, longest] = [now, 0];
}, 1);
await import("../main.ts");
