/**
 * Someone who does as much harm as the server lets them, as a process of its own: `deno run -A bench/abuser.ts PORT ADDRESS KIND < input` reads one line of JSON
 * (`Input`), says "ready", and goes on until it is killed. Whoever is cut comes back at once. What a kind does stands in `bench/abuse.ts`.
 */
import type { User } from "./support.ts";

/** What an abuser needs to know. */
export interface Input {
  users: User[];
  group?: number;
  /** A message of the first user. */
  messageid?: number;
  /** Of HTTP. */
  http?: number;
  /** Path of a hook of the group. */
  hook?: string;
}

const [port, address, kind] = Deno.args as [string, string, string];
const { users, group, messageid, http, hook } = JSON.parse((await readAll()).trim()) as Input;
const encoder = new TextEncoder();

async function readAll(): Promise<string> {
  let text = "";
  for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) break;
  }
  return text;
}

const line = (message: object) => JSON.stringify(message) + "\n";
const login = ({ id, token }: User) => line({ msgid: 1, id, token, proto: 2 });

async function connect(): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ port: Number(port) });
  await write(conn, encoder.encode(`PROXY TCP4 ${address} 127.0.0.1 4000 6000\r\n`));
  return conn;
}

async function write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
}

/** Reads all that comes, and forgets it. */
async function drain(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65536);
  while (await conn.read(buffer) !== null);
}

/** Says the beginning once and the rest over and over, as fast as it is taken. */
async function flood(beginning: string, again: string): Promise<never> {
  const bytes = encoder.encode(again.repeat(Math.max(1, Math.floor(65536 / again.length))));
  for (;;) {
    try {
      using conn = await connect();
      const gone = drain(conn);
      await write(conn, encoder.encode(beginning));
      const flooding = (async () => {
        for (;;) await write(conn, bytes);
      })();
      await Promise.race([gone, flooding]);
      flooding.catch(() => {});
    } catch {
      // Cut.
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** One question and its answer, on a connection of its own, over and over. */
async function ask(question: string): Promise<never> {
  const buffer = new Uint8Array(65536);
  for (;;) {
    try {
      using conn = await connect();
      await write(conn, encoder.encode(question));
      await conn.read(buffer);
    } catch {
      // Cut.
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Says it, takes what comes for a second, and begins again. */
async function comeBack(beginning: string): Promise<never> {
  for (;;) {
    const conn = await connect();
    const gone = drain(conn);
    await write(conn, encoder.encode(beginning));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    conn.close();
    await gone.catch(() => {});
  }
}

/** One HTTP request after another, each on a connection of its own. */
async function post(path: string, headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>): Promise<never> {
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${http}${path}`, { method: "POST", headers: { ...headers, "x-forwarded-for": address }, body });
      await response.arrayBuffer();
    } catch {
      // Cut.
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** So many different words, others for each `i`. */
const words = (i: number) => Array.from({ length: 5000 }, (_, k) => (1_000_003 * (i + 1) + 7919 * k).toString(36)).join(" ");

const flooders: Record<string, (user: User, i: number) => Promise<never>> = {
  ping: (user) => flood(login(user), line({ msgid: 13, ref: 1 })),
  contacts: (user) => flood(login(user), line({ msgid: 17 })),
  garbage: (user, i) => i % 2 === 0 ? flood("", line({ msgid: 17 })) : flood(login(user), 'x\n{"msgid":14}\n'),
  history: (user) => flood(login(user), line({ msgid: 16, toid: user.id, limit: 100 })),
  notes: (user) => flood(login(user), line({ msgid: 6, toid: user.id, msg: "x".repeat(60_000) })),
  group: (user) => flood(login(user), line({ msgid: 10, groupid: group, msg: "x".repeat(60_000) })),
  typing: (user) => flood(login(user), line({ msgid: 21, groupid: group, msg: "x".repeat(1000) })),
  logins: (user) => ask(login(user)),
  newlines: () => flood("", "\n"),
  inboxes: (user) => comeBack(login(user)),
  edits: (user) => flood(login(user), [1, 2].map((i) => line({ msgid: 25, messageid, msg: words(i) })).join("")),
  reactions: (user, i) => flood(login(user), ["👍", "👎"].map((emoji) => line({ msgid: 27, messageid, emoji, off: i % 2 === 1 })).join("")),
  searches: (user) => flood(login(user), line({ msgid: 43, text: "h", limit: 50 })),
  conversations: (user) => flood(login(user), line({ msgid: 31, limit: 100 })),
  reads: (user) => flood(login(user), line({ msgid: 29, groupid: group, messageid: 1 })),
  uploads: ({ token }) => post("/files", { authorization: `Bearer ${token}` }, new Uint8Array(4 * 1024 * 1024)),
  hooks: () => post(hook!, { "content-type": "text/plain" }, "x".repeat(50_000)),
  passwords: (_, i) => ask(line({ msgid: 1, name: `nobody${i}`, password: "x", proto: 2 })),
};
for (const [i, user] of users.entries()) void flooders[kind]!(user, i);
console.log("ready");
