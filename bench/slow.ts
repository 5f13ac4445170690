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
import { medians, Ordinary, type Summary } from "./ordinary.ts";
import { startNatter } from "./support.ts";

const ROUNDS = 10;

const { values, positionals } = parseArgs({ args: Deno.args, options: { limits: { type: "boolean", default: false } }, allowPositionals: true });
const [slow = 2000, chatters = 200, seconds = 3] = positionals.map(Number);
const { limits } = values;

await using natter = await startNatter({
  flags: limits ? ["--limits", "on", "--max-connections", "10000", "--trusted-proxy", "127.0.0.1"] : [],
  leads: true,
});
await using ordinary = await Ordinary.start(natter, chatters, limits);

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

const all = { without: [] as Summary[], with: [] as Summary[] };
let closed = 0;
for (let round = 0; round < ROUNDS; round++) {
  const without = await ordinary.measure(seconds);
  const dribbling = await dribble();
  const beside = await ordinary.measure(seconds);
  closed += dribbling.gone();
  dribbling.end();
  all.without.push(without);
  all.with.push(beside);
  console.log(JSON.stringify({ round: round + 1, without, with: beside }));
}
const [without, beside] = [medians(all.without), medians(all.with)];
const ratio = Number((beside.p99 / without.p99).toFixed(2));
console.log(JSON.stringify({ slow, chatters, limits, without, with: beside, p99_ratio: ratio, closed_by_server: closed }));
