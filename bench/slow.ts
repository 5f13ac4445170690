/**
 * What ordinary users notice of many slow connections: a byte a second each, never logging in.
 *
 *     deno run -A bench/slow.ts [--limits] [SLOW [CHATTERS [SECONDS]]]
 *
 * By default 2,000 beside 200 users who each say something once a second, on a server without limits; each round measures for 10 s without the slow ones and for
 * 10 s with them, and there are three. With `--limits` the server has its limits, and everybody comes from an address of their own, as a proxy says.
 * Prints one JSON object per round: how long a message takes from its sender to its receiver (ms), without and with the slow ones; then the medians.
 */
import { parseArgs } from "node:util";
import { makeUsers, startNatter } from "./support.ts";

const ROUNDS = 3;

const { values, positionals } = parseArgs({ args: Deno.args, options: { limits: { type: "boolean", default: false } }, allowPositionals: true });
const [slow = 2000, chatters = 200, seconds = 10] = positionals.map(Number);
const { limits } = values;

await using natter = await startNatter({ flags: limits ? ["--limits", "on", "--max-connections", "10000", "--trusted-proxy", "127.0.0.1"] : [] });
const users = await makeUsers(natter.store, chatters);
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

async function measure(): Promise<{ messages: number; p50: number; p99: number }> {
  const took = (JSON.parse(await ask(seconds)) as number[]).sort((a, b) => a - b);
  const at = (p: number) => Math.round(100 * took[Math.floor(took.length * p)]!) / 100;
  return { messages: took.length, p50: at(0.5), p99: at(0.99) };
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
  let second = 0;
  // A tenth of them every tenth of a second.
  const timer = setInterval(() => {
    const byte = encoder.encode(line[Math.floor(second / 10) % line.length]);
    for (let i = second % 10; i < slow; i += 10) void conns[i]!.write(byte).catch(() => {});
    second++;
  }, 100);
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
const ratios: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const without = await measure();
  const dribbling = await dribble();
  const beside = await measure();
  const gone = dribbling.gone();
  dribbling.end();
  ratios.push(beside.p99 / without.p99);
  console.log(
    JSON.stringify({ slow, chatters, limits, without, with: beside, closed_by_server: gone, p99_ratio: Number(ratios.at(-1)!.toFixed(2)) }),
  );
}
console.log(JSON.stringify({ median_p99_ratio: Number(ratios.sort((a, b) => a - b)[ROUNDS >> 1]!.toFixed(2)) }));
await writer.close();
await child.status;
