/**
 * A file of 50 MB up and down, beside what the disk and Deno itself take for it.
 *
 *     deno run -A bench/files.ts [ROUNDS [CHATTERS]]
 *
 * Each round, in turns, on the same disk: `cat` with sync; a bare Deno that reads a socket, hashes, writes and syncs; natter, up and down. By default 7 rounds. Then
 * how long a message of so many ordinary users (by default 200, each one a second) takes: without, beside files that go up one after the other, and that go down. They
 * and the server run ahead of who carries these then (`ahead`). Prints medians (ms), and the most memory above idle (MiB).
 */
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { median } from "./measure.ts";
import { medians, Ordinary, type Summary } from "./ordinary.ts";
import { makeUsers, startNatter } from "./support.ts";
import { goAhead } from "./tools.ts";

const SIZE = 50_000_000, BESIDE = 5;
const [rounds = 7, chatters = 200] = Deno.args.map(Number);

const folder = await Deno.makeTempDir({ prefix: "natter_bench_files_" });
const source = `${folder}/source`, target = `${folder}/target`;
const body = new Uint8Array(SIZE);
for (let at = 0; at < SIZE; at += 65_536) crypto.getRandomValues(body.subarray(at, at + 65_536));
await Deno.writeFile(source, body);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

async function cat(): Promise<void> {
  const { success } = await new Deno.Command("sh", { args: ["-c", `cat ${source} > ${target} && sync ${target}`] }).output();
  if (!success) throw new Error("cat failed");
}

/** The least that Deno can do for an upload: a socket of 64 KiB reads, the hash, the disk. */
async function bare(): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sending = (async () => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    for (let at = 0; at < SIZE;) at += await conn.write(body.subarray(at, at + 1_048_576));
  })();
  using conn = await listener.accept();
  using file = await Deno.open(target, { write: true, create: true, truncate: true });
  const hash = createHash("sha256"), buffer = new Uint8Array(65_536);
  for (let n; (n = await conn.read(buffer)) !== null;) {
    hash.update(buffer.subarray(0, n));
    for (let at = 0; at < n;) at += await file.write(buffer.subarray(at, n));
  }
  await file.sync();
  hash.digest();
  await sending;
}

/** A port that is free. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

try {
  const port = freePort();
  const flags = ["--http", `127.0.0.1:${port}`, "--files", `${folder}/files`, "--max-file", "60MiB", "--user-quota", "100GiB"];
  await using natter = await startNatter({ flags });
  // As all else here: what it writes and syncs it does on the other core.
  await new Deno.Command("taskset", { args: ["-acp", `0-${navigator.hardwareConcurrency - 1}`, String(natter.pid)] }).output().catch(() => {});
  const [user] = await makeUsers(natter, 1);
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const up = async () => {
    // Other bytes each time: the same ones would stand there once.
    crypto.getRandomValues(body.subarray(0, 16));
    // By the same means as to bare Deno: `fetch` takes longer to send it than natter to take it in.
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const head = `POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${user!.token}\r\ncontent-length: ${SIZE}\r\nconnection: close\r\n\r\n`;
    await conn.write(new TextEncoder().encode(head));
    for (let at = 0; at < SIZE;) at += await conn.write(body.subarray(at, at + 1_048_576));
    const answer = new Uint8Array(4096), length = await conn.read(answer) ?? 0;
    const text = new TextDecoder().decode(answer.subarray(0, length));
    if (!text.startsWith("HTTP/1.1 201 ")) throw new Error(text);
  };
  await up();
  // Its address is told with a message alone.
  using db = new DatabaseSync(natter.url.slice("sqlite:".length), { readOnly: true });
  const { urlkey, place } = db.prepare("select urlkey, place from file").get() as { urlkey: string; place: string };
  const down = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/files/${urlkey}`, { client });
    let length = 0;
    for await (const piece of response.body!) length += piece.length;
    if (length !== SIZE) throw new Error(`${length} bytes came`);
  };
  await down();

  /** What went up goes again, but for the file that goes down: the others have one file, too, whose memory the system has at hand. */
  const clear = async () => {
    for (const { place: other } of db.prepare("select place from file").all()) {
      if (other !== place) await Deno.remove(`${folder}/files/${other}`).catch(() => {});
    }
  };

  const works = { cat, "bare Deno": bare, "natter, up": up, "natter, down": down };
  const took = new Map(Object.keys(works).map((name) => [name, [] as number[]]));
  const idle = await natter.memory();
  let most = 0;
  const looking = setInterval(() => void natter.memory().then((now) => most = Math.max(most, now - idle)), 10);
  for (let round = 0; round < rounds; round++) {
    for (const [name, work] of Object.entries(works)) took.get(name)!.push(await timed(work));
    await clear();
  }
  clearInterval(looking);
  for (const [name, times] of took) console.log(`${name}: ${median(times).toFixed(0)} ms (${times.map((ms) => ms.toFixed(0)).join(", ")})`);
  console.log(`memory above idle: at most ${(most / 1024 / 1024).toFixed(1)} MiB`);

  // Who carries files is on a machine of their own in truth, as who is measured is.
  await goAhead(natter.pid);
  await using ordinary = await Ordinary.start(natter, chatters, false);
  const without: Summary[] = [], beside = { up: [] as Summary[], down: [] as Summary[] };
  for (let round = 0; round < BESIDE; round++) {
    without.push(await ordinary.measure(3));
    for (const [name, carry] of Object.entries({ up, down })) {
      let over = false;
      const carrying = (async () => {
        while (!over) await carry();
      })();
      beside[name as keyof typeof beside].push(await ordinary.measure(3));
      over = true;
      await carrying;
    }
  }
  console.log("others without:", medians(without), "beside up:", medians(beside.up), "beside down:", medians(beside.down));
} finally {
  await Deno.remove(folder, { recursive: true });
}
