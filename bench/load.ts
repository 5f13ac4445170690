/**
 * What `bench/load.c` does, for machines without a C compiler: the same arguments, commands and answers. It costs more than many servers, so its rates are its
 * own limit rather than theirs; its `load` shows it.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { TextLineStream } from "@std/streams/text-line-stream";

const AHEAD = 64, LINE = 120, CONFIRM = 64, PROBE_MS = 1;

/** One sender and its receivers. */
interface Stream {
  from: Peer;
  receivers: number;
  line: string;
  /** When each message in flight was sent, oldest first. */
  sentAt: number[];
  /** Deliveries of the oldest one. */
  got: number;
  delivered: number;
}

interface Peer {
  id: number;
  token: string;
  conn?: Deno.TcpConn;
  stream?: Stream;
  seq: number;
  confirmed: number;
  onLogin?: () => void;
  writing: Promise<void>;
}

const { values: options } = parseArgs({
  options: {
    p: { type: "string", short: "p" },
    m: { type: "string", short: "m", default: "21" },
    v: { type: "string", short: "v", default: "2" },
    d: { type: "string", short: "d", default: "1" },
    w: { type: "string", short: "w", default: "1" },
    g: { type: "string", short: "g" },
    i: { type: "boolean", short: "i", default: false },
  },
});
const ports = options.p!.split(",").map(Number);
const kind = Number(options.m), window = Number(options.w), mark = `{"msgid":${kind},`;
const encoder = new TextEncoder();
const peers: Peer[] = [], streams: Stream[] = [];
let latency: number[] = [], probe: number[] = [];
let total = 0, measured = 0, inFlight = 0, sending = false, measuring = false;
let probeSent = 0;
let onIdle = () => {};

/** One write after another: what the kernel takes in parts is not to be mixed. */
function send(peer: Peer, text: string): void {
  const { conn } = peer, bytes = encoder.encode(text);
  peer.writing = peer.writing.then(async () => {
    for (let done = 0; done < bytes.length;) done += await conn!.write(bytes.subarray(done));
  }, () => {});
}

function sendMessages(stream: Stream, count: number): void {
  const now = performance.now();
  for (let i = 0; i < count; i++) stream.sentAt.push(now);
  inFlight += count;
  send(stream.from, stream.line.repeat(count));
}

function confirm(peer: Peer): void {
  if (peer.seq === peer.confirmed) return;
  peer.confirmed = peer.seq;
  send(peer, `{"msgid":12,"seq":${peer.seq}}\n`);
}

function delivered(peer: Peer, count: number): void {
  const { stream } = peer;
  if (!stream || stream.sentAt.length === 0) return;
  total += count;
  if (measuring) {
    measured += count;
    stream.delivered += count;
  }
  const now = performance.now();
  let done = 0;
  for (stream.got += count; stream.got >= stream.receivers && stream.sentAt.length > 0; stream.got -= stream.receivers) {
    const sentAt = stream.sentAt.shift()!;
    if (measuring) latency.push(now - sentAt);
    inFlight--;
    done++;
  }
  if (sending && done > 0) sendMessages(stream, done);
  checkIdle();
}

function checkIdle(): void {
  if (!sending && inFlight === 0 && probeSent === 0) onIdle();
}

/** A line that is no delivery. */
function other(peer: Peer, line: string): void {
  if (peer.onLogin && line.includes('"errno":0') && line.includes('"msgid":2,')) {
    peer.onLogin();
    delete peer.onLogin;
  } else if (line.includes('"msgid":13')) send(peer, '{"msgid":14}\n');
  else if (line.includes('"msgid":14') && probeSent > 0) {
    if (measuring) probe.push(performance.now() - probeSent);
    probeSent = 0;
    if (sending) setTimeout(ping, PROBE_MS);
    else checkIdle();
  } else if (line.includes('"errno":')) fail(`refused: ${line}`);
}

function ping(): void {
  if (!sending) return;
  probeSent = performance.now();
  send(peers.at(-1)!, '{"msgid":13}\n');
}

function fail(what: string): never {
  console.error(`load: ${what}`);
  Deno.exit(3);
}

async function receive(peer: Peer, conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65536), decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const n = await conn.read(buffer).catch(() => null);
    if (peer.conn !== conn) return;
    if (n === null) fail("the server closed a connection");
    text += decoder.decode(buffer.subarray(0, n), { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    let messages = 0;
    for (const line of lines) {
      if (!line.startsWith(mark)) {
        other(peer, line);
        continue;
      }
      messages++;
      if (kind !== 21) peer.seq = Number(/"seq":(\d+)/.exec(line)?.[1] ?? peer.seq);
    }
    if (peer.seq - peer.confirmed >= CONFIRM) confirm(peer);
    if (messages > 0) delivered(peer, messages);
  }
}

/** The generator's own share of a core since it was asked last. */
function ownShare(): () => number {
  const begun = performance.now(), before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e3 / (performance.now() - begun);
  };
}

const rounded = (ms: number) => Math.round(ms * 1000);
function percentile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return rounded(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0);
}

async function login(): Promise<unknown> {
  const share = ownShare(), begun = performance.now(), took: number[] = [];
  let next = 0;
  const worker = async () => {
    while (next < peers.length) {
      const port = ports[next % ports.length]!;
      const peer = peers[next++]!, at = performance.now();
      const conn = peer.conn = await Deno.connect({ port });
      conn.setNoDelay(true);
      const done = new Promise<void>((resolve) => peer.onLogin = resolve);
      void receive(peer, conn);
      if (peer.token === "-") delete peer.onLogin;
      else {
        send(peer, JSON.stringify({ msgid: 1, proto: Number(options.v), id: peer.id, token: peer.token }) + "\n");
        await done;
      }
      took.push(performance.now() - at);
    }
  };
  // Raw connections one after another: the baselines pair them in the order they come.
  await Promise.all(Array.from({ length: peers[0]?.token === "-" ? 1 : AHEAD }, worker));
  const seconds = (performance.now() - begun) / 1000;
  return { count: peers.length, seconds, load: share(), p50_us: percentile(took, 0.5), p99_us: percentile(took, 0.99) };
}

function drop(): unknown {
  for (const peer of peers) {
    const { conn } = peer;
    delete peer.conn;
    conn?.close();
  }
  return {};
}

async function run(warm: number, length: number): Promise<unknown> {
  latency = [];
  probe = [];
  for (const stream of streams) stream.delivered = 0;
  total = measured = 0;
  sending = true;
  if (options.i) ping();
  for (const stream of streams) sendMessages(stream, window);
  await new Promise((resolve) => setTimeout(resolve, warm));
  measuring = true;
  const share = ownShare(), begun = performance.now();
  await new Promise((resolve) => setTimeout(resolve, length));
  sending = measuring = false;
  const seconds = (performance.now() - begun) / 1000, load = share();
  await new Promise<void>((resolve) => {
    onIdle = resolve;
    checkIdle();
  });
  onIdle = () => {};
  for (const peer of peers) confirm(peer);
  const each = streams.map((stream) => stream.delivered);
  return {
    rate: Math.round(measured / seconds),
    p50_us: percentile(latency, 0.5),
    p99_us: percentile(latency, 0.99),
    total,
    load,
    least: Math.min(...each),
    most: Math.max(...each),
    probe_p50_us: percentile(probe, 0.5),
    probe_max_us: percentile(probe, 1),
  };
}

function addStream(from: Peer, receivers: number, key: string, to: number): Stream {
  const head = `{"msgid":${kind},"${key}":${to},"msg":"`;
  const stream = {
    from,
    receivers,
    line: head + "abcdefghij".repeat(12).slice(0, LINE - head.length - 3) + '"}\n',
    sentAt: [],
    got: 0,
    delivered: 0,
  };
  streams.push(stream);
  return stream;
}

function pairUp(): void {
  const talking = options.i ? peers.slice(0, -1) : peers;
  if (options.g !== undefined) {
    const stream = addStream(talking[0]!, talking.length - 1, "groupid", Number(options.g));
    for (const peer of talking.slice(1)) peer.stream = stream;
    return;
  }
  const devices = Number(options.d), both = 2 * devices;
  for (let i = 0; i + both <= talking.length; i += both) {
    // With several devices one's own come back to all of them.
    const receivers = talking.slice(devices > 1 ? i : i + 1, i + both);
    const stream = addStream(talking[i]!, receivers.length, "toid", talking[i + devices]!.id);
    for (const peer of receivers) peer.stream = stream;
  }
}

let reading = true;
for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
  const [word, a, b] = line.split(" ");
  if (reading && line !== "") peers.push({ id: Number(word), token: a!, seq: 0, confirmed: 0, writing: Promise.resolve() });
  else if (reading) {
    reading = false;
    pairUp();
  } else {
    const answer = word === "login" ? await login() : word === "drop" ? drop() : await run(Number(a), Number(b));
    await Deno.stdout.write(encoder.encode(JSON.stringify(answer) + "\n"));
  }
}
Deno.exit(0);
