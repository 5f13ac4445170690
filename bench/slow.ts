/**
 * What ordinary users notice of many slow connections: a byte a second each, never logging in.
 *
 *     deno run -A bench/slow.ts [--limits] [SLOW [CHATTERS [SECONDS]]]
 *
 * By default 2,000 beside 200 users who each say something once a second, on a server without limits. Ten times it is measured for 3 s without the slow ones, and
 * for 3 s with them. With `--limits` the server has its limits, and everybody comes from an address of their own, as a proxy says. Prints how long a message
 * takes from its sender to its receiver (ms), without and with the slow ones, each time; then the medians, since machines have other things to do.
 */
import { parseArgs } from "node:util";
import { makeUsers, startNatter } from "./support.ts";

const ROUNDS = 10;

const { values, positionals } = parseArgs({ args: Deno.args, options: { limits: { type: "boolean", default: false } }, allowPositionals: true });
const [slow = 2000, chatters = 200, seconds = 3] = positionals.map(Number);
const { limits } = values;

await using natter = await startNatter({ flags: limits ? ["--limits", "on", "--max-connections", "10000", "--trusted-proxy", "127.0.0.1"] : [] });
const users = await makeUsers(natter, chatters);
const script = new URL("./chatters.ts", import.meta.url).pathname;
const args = ["run", "-A", "--quiet", script, String(natter.port), String(limits)];
const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
const writer = child.stdin.getWriter();
const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
let output = "";

/** Says a line to the chatters, and takes the line they say. */
async function ask(line: unknown): Promise<string> {
  await writer.write(new TextEncoder().encode(JSON.stringify(line) + "\n"));
  while (!output.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the chatters have ended");
    output += value;
  }
  const end = output.indexOf("\n");
  const answer = output.slice(0, end);
  output = output.slice(end + 1);
  return answer;
}

async function measure(): Promise<Summary> {
  const took = JSON.parse(await ask(seconds)) as number[];
  return { p50: at(took, 0.5), p99: at(took, 0.99) };
}

interface Summary {
  p50: number;
  p99: number;
}

function at(values: readonly number[], p: number): number {
  return Math.round(100 * values.toSorted((a, b) => a - b)[Math.floor(values.length * p)]!) / 100;
}

function medians(rounds: readonly Summary[]): Summary {
  return { p50: at(rounds.map((r) => r.p50), 0.5), p99: at(rounds.map((r) => r.p99), 0.5) };
}

/** Connections that begin a line and say a byte of it a second. `gone` counts those that the server closed. */
async function dribble(): Promise<{ gone: () => number; end: () => void }> {
  const encoder = new TextEncoder();
  const conns: Deno.TcpConn[] = [];
  let gone = 0, ended = false;
  for (let i = 0; i < slow; i++) {
    const conn = await Deno.connect({ port: natter.port });
    if (limits) await conn.write(encoder.encode(`PROXY TCP4 10.2.${i >> 8}.${i & 255} 127.0.0.1 4000 6000\r\n`));
    conns.push(conn);
    void conn.read(new Uint8Array(64)).then(() => gone++, () => ended || gone++);
  }
  const line = '{"msgid":1,"name":"' + "x".repeat(1000);
  let turn = 0;
  // A hundredth of them every hundredth of a second.
  const timer = setInterval(() => {
    const byte = encoder.encode(line[Math.floor(turn / 100) % line.length]);
    for (let i = turn % 100; i < slow; i += 100) void conns[i]!.write(byte).catch(() => {});
    turn++;
  }, 10);
  return {
    gone: () => gone,
    end() {
      ended = true;
      clearInterval(timer);
      for (const conn of conns) conn.close();
    },
  };
}

await ask(users);
// What happens once, happens now.
await measure();
const all = { without: [] as Summary[], with: [] as Summary[] };
let closed = 0;
for (let round = 0; round < ROUNDS; round++) {
  const without = await measure();
  const dribbling = await dribble();
  const beside = await measure();
  closed += dribbling.gone();
  dribbling.end();
  all.without.push(without);
  all.with.push(beside);
  console.log(JSON.stringify({ round: round + 1, without, with: beside }));
}
const [without, beside] = [medians(all.without), medians(all.with)];
const ratio = Number((beside.p99 / without.p99).toFixed(2));
console.log(JSON.stringify({ slow, chatters, limits, without, with: beside, p99_ratio: ratio, closed_by_server: closed }));
await writer.close();
await child.status;
