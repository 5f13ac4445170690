/**
 * Ordinary users, as a process of its own: `deno run -A bench/chatters.ts PORT PROXIED < users` reads one line of JSON with an even number of users and logs them in.
 * Each then says something to a partner, one message a second. For every further line of its input, a number of seconds, it prints how long the messages sent
 * meanwhile took to arrive (ms), as one line of JSON.
 *
 * `PROXIED` is `true` if each comes from an address of its own, by a PROXY header.
 */
import type { User } from "./support.ts";

/** One message from each user in this time (ms). */
const INTERVAL = 1000;

const [port, proxied] = Deno.args;
const encoder = new TextEncoder();
/** When each user last spoke, by the partner who hears it. */
const spoken = new Map<number, number>();
let took: number[] = [];

async function chatter({ id, token }: User, partner: number): Promise<void> {
  const conn = await Deno.connect({ port: Number(port) });
  conn.setNoDelay(true);
  const say = (message: object) => conn.write(encoder.encode(JSON.stringify(message) + "\n"));
  if (proxied === "true") await conn.write(encoder.encode(`PROXY TCP4 10.1.${id >> 8 & 255}.${id & 255} 127.0.0.1 4000 6000\r\n`));
  await say({ msgid: 1, id, token, proto: 2 });
  const ready = Promise.withResolvers<void>();
  void listen(conn, id, ready.resolve);
  await ready.promise;
  setTimeout(() =>
    setInterval(() => {
      // Who has not been heard yet is waited for: the wait is the figure.
      if (spoken.has(partner)) return;
      spoken.set(partner, performance.now());
      void say({ msgid: 6, toid: partner, msg: "how do you do? ".repeat(5), ref: 1 });
    }, INTERVAL), Math.random() * INTERVAL);
}

async function listen(conn: Deno.TcpConn, id: number, ready: () => void): Promise<void> {
  const buffer = new Uint8Array(16384), decoder = new TextDecoder();
  let text = "";
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    text += decoder.decode(buffer.subarray(0, n), { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const { msgid, errno, seq } = JSON.parse(line);
      if (errno) throw new Error(line);
      if (msgid === 2) ready();
      if (msgid === 13) await conn.write(encoder.encode('{"msgid":14}\n'));
      if (msgid !== 6) continue;
      took.push(performance.now() - spoken.get(id)!);
      spoken.delete(id);
      if (seq % 10 === 0) await conn.write(encoder.encode(`{"msgid":12,"seq":${seq}}\n`));
    }
  }
  throw new Error("the server closed");
}

let input = "";
for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  input += part;
  for (let at = input.indexOf("\n"); at >= 0; at = input.indexOf("\n")) {
    const line = JSON.parse(input.slice(0, at)) as User[] | number;
    input = input.slice(at + 1);
    if (typeof line !== "number") {
      await Promise.all(line.map((user, i) => chatter(user, line[i ^ 1]!.id)));
      console.log("ready");
      continue;
    }
    took = [];
    await new Promise((resolve) => setTimeout(resolve, line * 1000));
    console.log(JSON.stringify(took));
  }
}
Deno.exit();
