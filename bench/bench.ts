/**
 * The benchmark: ratios, measured side by side with baselines that it starts itself. Linux only.
 *
 *     deno task bench [--smoke] [--json FILE] [--cpu-prof FOLDER] [ROW …]
 *
 * A row is named as in the table, or by its beginning: `signal`, `login-mysql`. --smoke: one short round, which ends with exit code 1 if a row has no figure;
 * its figures mean nothing. --json: where the results go, default bench/results.json (with --smoke: nowhere). --cpu-prof: V8 CPU profiles of the servers.
 */
import { parseArgs } from "node:util";
import { compiled } from "./load_generator.ts";
import type { Scale } from "./measure.ts";
import { chatMysql, chatSqlite, group, stall } from "./parts/chat.ts";
import { idle, loginMysql, loginSqlite, start, vanish10000, vanish4000 } from "./parts/clients.ts";
import { chatOneDevice, chatThreeDevices, loginGroups } from "./parts/devices.ts";
import type { Context, Part } from "./parts/part.ts";
import { burst, bystanders, signal } from "./parts/relay.ts";
import { picture, type Results } from "./picture.ts";
import { met, type Result, type Row, type RowName, rows } from "./rows.ts";
import { startNatter } from "./support.ts";
import { startNatter01 } from "./v0_1.ts";

/** Above this share of a core the load generator may be what was measured. */
const BUSY = 0.9;

const parts: [Part, RowName[]][] = [
  [signal, ["signal-1", "signal-10", "signal-100", "signal-100-c"]],
  [burst, ["burst-c", "burst-single"]],
  [chatSqlite, ["chat-sqlite"]],
  [chatMysql, ["chat-mysql"]],
  [chatOneDevice, ["chat-one-device"]],
  [chatThreeDevices, ["chat-three-devices"]],
  [group, ["group-signal", "group-chat"]],
  [idle, ["idle"]],
  [loginSqlite, ["login-sqlite"]],
  [loginMysql, ["login-mysql"]],
  [loginGroups, ["login-groups", "login-groups-size"]],
  [vanish4000, ["vanish-4000"]],
  [vanish10000, ["vanish-10000"]],
  [start, ["start"]],
  [bystanders, ["bystanders"]],
  [stall, ["stall"]],
];

const full: Scale = { rounds: 5, warm: 200, length: 1000, users: (count) => count };
const short: Scale = { rounds: 1, warm: 50, length: 150, users: (count) => Math.min(count, 200) };

function digits(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(3)).toString();
}

function print(result: Result): void {
  const { goal, atLeast, unit } = rows[result.row] as Row;
  const figure = result.figure === undefined ? "–" : `${digits(result.figure)} ${unit}`;
  const verdict = result.figure === undefined || goal === undefined ? "" : met(result) ? "met" : "NOT met";
  const wanted = goal === undefined ? "" : `${atLeast ? "≥" : "≤"} ${digits(goal)} ${unit}`;
  const columns = [result.row.padEnd(18), wanted.padEnd(13), figure.padEnd(13), verdict.padEnd(8)];
  console.log(columns.join(" ") + result.detail);
  if ((result.load ?? 0) > BUSY) {
    console.log(`${" ".repeat(19)}the load generator was at ${(result.load! * 100).toFixed(0)} % of a core: it may be what was measured`);
  }
}

async function machine(): Promise<Results["machine"]> {
  const cpu = /model name\s*: (.*)/.exec(await Deno.readTextFile("/proc/cpuinfo").catch(() => ""))?.[1];
  return {
    ...(cpu === undefined ? {} : { cpu }),
    cores: navigator.hardwareConcurrency,
    kernel: Deno.osRelease(),
    deno: Deno.version.deno,
    generator: compiled ? "C" : "TypeScript",
  };
}

const { values: options, positionals: wanted } = parseArgs({
  options: { smoke: { type: "boolean", default: false }, json: { type: "string" }, "cpu-prof": { type: "string" } },
  allowPositionals: true,
});
const isWanted = (row: string) => wanted.length === 0 || wanted.some((name) => row === name || row.startsWith(name + "-"));
const unknown = wanted.filter((name) => !Object.keys(rows).some((row) => row === name || row.startsWith(name + "-")));
if (unknown.length > 0) {
  console.error(`no row ${unknown.join(", ")}; there are ${Object.keys(rows).join(", ")}`);
  Deno.exit(2);
}

const scale = options.smoke ? short : full;
const cpuProf = options["cpu-prof"];
const context: Context = { scale, natter: (how) => startNatter({ ...how, cpuProf }), natter01: () => startNatter01({ cpuProf }) };
const results: Result[] = [];
console.log(`${"row".padEnd(18)} ${"goal".padEnd(13)} ${"figure".padEnd(13)} ${"".padEnd(8)}made of`);
for (const [part, names] of parts) {
  if (!names.some(isWanted)) continue;
  for (const result of await part(context)) {
    if (!isWanted(result.row)) continue;
    results.push(result);
    print(result);
  }
}

const all: Results = {
  date: new Date().toISOString(),
  machine: await machine(),
  rows: results.map((result) => ({ ...(rows[result.row] as Row), met: met(result), ...result })),
};
const file = options.json ?? (options.smoke ? undefined : new URL("./results.json", import.meta.url).pathname);
if (file !== undefined) await Deno.writeTextFile(file, JSON.stringify(all, null, 2) + "\n");
if (options.smoke) {
  const empty = results.filter(({ figure, detail }) => figure === undefined ? !detail.startsWith("left out") : !Number.isFinite(figure));
  for (const { row } of empty) console.error(`${row} has no figure`);
  if (!picture(all).endsWith("</svg>\n")) throw new Error("no picture");
  Deno.exitCode = empty.length > 0 ? 1 : 0;
}
