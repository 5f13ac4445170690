/** SIGNAL: what natter adds to passing bytes on. */
import { alternate, byRound, highestLoad, inWords, type Measured, target } from "../measure.ts";
import type { Result, RowName } from "../rows.ts";
import { hold, makeUsers } from "../support.ts";
import { compile, type ServerProcess, spawnRawRelay, spawnServer } from "../tools.ts";
import type { Part } from "./part.ts";

const faster = (a: Measured, b: Measured) => a.rate / b.rate;

/** The C relay; undefined: there is no compiler. */
async function spawnCRelay(stack: AsyncDisposableStack, ...mode: string[]): Promise<ServerProcess | undefined> {
  const program = await compile("relay");
  return program === undefined ? undefined : stack.use(await spawnServer([program, ...mode], /ready (\d+)/));
}

function result(row: RowName, natter: Measured[], name: string, base: Measured[] | undefined): Result {
  if (!base) return { row, figure: undefined, detail: "left out: no C compiler" };
  return {
    row,
    figure: byRound(natter, base, faster),
    detail: `${inWords("natter", natter)}, ${inWords(name, base)}`,
    load: highestLoad(natter, base),
  };
}

/** 1, 10 and 100 pairs, each with one message in flight. */
export const signal: Part = async ({ scale, natter }) => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await natter());
  const raw = stack.use(await spawnRawRelay("pairs"));
  const c = await spawnCRelay(stack);
  const users = await makeUsers(server, 200);
  const results: Result[] = [];
  for (const pairs of [1, 10, 100] as const) {
    await using stack = new AsyncDisposableStack();
    const runs = await alternate(scale, {
      natter: stack.use(await target(server, users.slice(0, 2 * pairs))),
      deno: stack.use(await target(raw, 2 * pairs)),
      ...(c && pairs === 100 ? { c: stack.use(await target(c, 2 * pairs)) } : {}),
    } as Record<"natter" | "deno" | "c", Awaited<ReturnType<typeof target>>>);
    results.push(result(`signal-${pairs}`, runs.natter, "raw Deno", runs.deno));
    if (pairs === 100) results.push(result("signal-100-c", runs.natter, "C", runs.c));
  }
  return results;
};

/** 10 pairs with 100 messages in flight each: what writing many messages at once gives. */
export const burst: Part = async ({ scale, natter }) => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await natter());
  const single = stack.use(await natter({ singleWrites: true }));
  const c = await spawnCRelay(stack, "lines");
  const options = { window: 100 };
  const runs = await alternate(scale, {
    natter: stack.use(await target(server, await makeUsers(server, 20), options)),
    single: stack.use(await target(single, await makeUsers(single, 20), options)),
    ...(c ? { c: stack.use(await target(c, 20, options)) } : {}),
  } as Record<"natter" | "single" | "c", Awaited<ReturnType<typeof target>>>);
  return [result("burst-c", runs.natter, "C", runs.c), result("burst-single", runs.natter, "writing each", runs.single)];
};

/** What those who are idle cost those who talk. */
export const bystanders: Part = async ({ scale, natter }) => {
  await using stack = new AsyncDisposableStack();
  const crowded = stack.use(await natter()), empty = stack.use(await natter());
  stack.use(await hold(crowded.port, await makeUsers(crowded, scale.users(10_000))));
  const runs = await alternate(scale, {
    crowded: stack.use(await target(crowded, await makeUsers(crowded, 20))),
    empty: stack.use(await target(empty, await makeUsers(empty, 20))),
  });
  const cpu = (name: "crowded" | "empty") => runs[name].map((run) => run.cpu_us.toFixed(1)).join(", ");
  return [{
    row: "bystanders",
    figure: byRound(runs.crowded, runs.empty, (a, b) => a.cpu_us / b.cpu_us),
    detail: `10 pairs, µs per message: with ${cpu("crowded")}; without ${cpu("empty")}`,
    load: highestLoad(runs.crowded, runs.empty),
  }];
};
