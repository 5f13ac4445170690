// A real server under fuzzed input: several connections at once, logged in and not, each of which the server may close, and which come again.

import type { Store } from "../../src/store/store.ts";
import { cheapPasswords } from "./cheap_passwords.ts";
import { BLOCK, inputs, KNOWN } from "./fuzz_inputs.ts";
import { giveTokens } from "./tokens.ts";

/** What a fuzzer needs to know. */
export interface Fuzzing {
  port: number;
  /** The server's database, where the users 1 to `KNOWN` are, as `--database` takes it. */
  url: string;
  seed: number;
  /** How many inputs; as many blocks as hold them. */
  count: number;
  /** Told how many inputs are done, now and then. */
  progress?: (done: number) => void;
}

/** What came back. */
export interface Fuzzed {
  inputs: number;
  /** Connections that were made. */
  connections: number;
  /** Lines from the server, by msgid; answers by their errno. */
  answers: Map<string, number>;
}

/** How each connection logs in, if at all. */
const KINDS = ["modern", "modern", "modern", "classic", "none", "none"] as const;
/** How long the server may take to answer a connection (ms): a password may be hashed on the way. */
const PATIENCE = 30_000;

const encoder = new TextEncoder();

/** Runs the inputs. Throws an Error, which names the seed and the block, if the server does not answer, or says what is no message. */
export async function fuzz(fuzzing: Fuzzing): Promise<Fuzzed> {
  const blocks = Math.ceil(fuzzing.count / BLOCK);
  const result: Fuzzed = { inputs: 0, connections: 0, answers: new Map() };
  let failure: Error | undefined;
  await Promise.all(KINDS.map(async (kind, user) => {
    const fuzzer = new Fuzzer(fuzzing, kind, user + 1, result);
    // Each has as many: those that are not logged in are refused so fast that they would take most of what there is.
    for (let block = user; block < blocks && !failure; block += KINDS.length) {
      try {
        await fuzzer.run(inputs(fuzzing.seed, block), block);
        result.inputs += BLOCK;
        fuzzing.progress?.(result.inputs);
      } catch (error) {
        failure ??= new Error(`seed ${fuzzing.seed}, block ${block}, ${kind}: ${error}`, { cause: error });
      }
    }
    fuzzer.close();
  }));
  if (failure) throw failure;
  return result;
}

/** Makes the users that the inputs speak of, and groups of all of them. Their ids are 1 to `KNOWN`, their password is one that the inputs try. */
export async function makeKnown(store: Store): Promise<void> {
  const password = await cheapPasswords().hash("secret");
  for (let i = 1; i <= KNOWN; i++) {
    if (await store.createUser(`user${i}`, `user${i}`, password) !== i) throw new Error("the database is not fresh");
  }
  for (let i = 1; i <= KNOWN; i++) {
    await store.createGroup(i, `group${i}`, `group${i}`, "");
    for (let k = 1; k <= KNOWN; k++) await store.joinGroup(k, { id: i }, 1);
  }
  // As those that no connection is: whoever writes to them is told so, whatever the others do.
  for (let blocker = KINDS.length + 1; blocker <= KNOWN; blocker += 2) {
    for (let i = 1; i <= KINDS.length; i++) await store.block(blocker, i, 1);
  }
}

class Fuzzer {
  readonly #fuzzing: Fuzzing;
  readonly #kind: (typeof KINDS)[number];
  readonly #user: number;
  readonly #result: Fuzzed;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #buffer = new Uint8Array(65536);
  #conn: Deno.TcpConn | undefined;
  #received = "";
  #seq = 0;
  /** It was told to log in: it has logged out, knowingly or not. */
  #out = false;

  constructor(fuzzing: Fuzzing, kind: (typeof KINDS)[number], user: number, result: Fuzzed) {
    this.#fuzzing = fuzzing;
    this.#kind = kind;
    this.#user = user;
    this.#result = result;
  }

  /** Sends a block in pieces that know nothing of lines, and asks after each of some for a sign that all of it was handled. */
  async run(block: Uint8Array[], number: number): Promise<void> {
    for (let from = 0; from < block.length; from += 50) {
      this.#conn ??= await this.#connect();
      const part = block.slice(from, from + 50);
      const mark = `"mark${number}_${from}"`;
      const end = encoder.encode(`\n{"msgid":12,"seq":${this.#seq}}\n{"msgid":13,"ref":${mark}}\n`);
      const bytes = new Uint8Array(part.reduce((sum, { length }) => sum + length, end.length));
      let at = 0;
      for (const piece of [...part, end]) bytes.set(piece, (at += piece.length) - piece.length);
      const sending = this.#write(this.#conn, bytes, 1 + (number * 31 + from * 17) % 5000);
      const there = await this.#read(this.#conn, mark);
      await sending;
      if (!there || this.#out) this.close();
    }
    // Half of the connections that are left go without a word.
    if (number % 2 === 0) this.close();
  }

  close(): void {
    this.#conn?.close();
    this.#conn = undefined;
    this.#out = false;
  }

  async #connect(): Promise<Deno.TcpConn> {
    this.#result.connections++;
    this.#received = "";
    const conn = await Deno.connect({ port: this.#fuzzing.port });
    if (this.#kind === "none") return conn;
    const proto = this.#kind === "modern" ? `,"proto":2` : "";
    const [token] = await giveTokens(this.#fuzzing.url, [this.#user]);
    await this.#write(conn, encoder.encode(`{"msgid":1,"id":${this.#user},"token":"${token}"${proto},"ref":"login"}\n`), 1000);
    if (!await this.#read(conn, '"login"')) throw new Error("the server closed at the login");
    return conn;
  }

  /** All of it, in pieces. What a connection does not take any more is dropped. */
  async #write(conn: Deno.TcpConn, bytes: Uint8Array, piece: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done, done + piece));
    } catch {
      // The server has closed.
    }
  }

  /** Reads up to the line with this `ref`. @returns whether it came; else the server has closed */
  async #read(conn: Deno.TcpConn, ref: string): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) =>
      timer = setTimeout(() => reject(new Error(`no answer; the last: ${this.#received.slice(-500)}`)), PATIENCE)
    );
    try {
      for (;;) {
        const n = await Promise.race([conn.read(this.#buffer).catch(() => null), late]);
        if (n === null) return false;
        this.#received += this.#decoder.decode(this.#buffer.subarray(0, n), { stream: true });
        const lines = this.#received.split("\n");
        this.#received = lines.pop()!;
        let found = false;
        for (const line of lines) found = this.#take(line, ref) || found;
        if (found) return true;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take(line: string, ref: string): boolean {
    const { msgid, errno, seq } = JSON.parse(line) as { msgid: number; errno?: number; seq?: number };
    if (typeof msgid !== "number") throw new Error(`no message: ${line}`);
    if (seq !== undefined) this.#seq = Math.max(this.#seq, seq);
    if (errno === 12 && this.#kind !== "none") this.#out = true;
    const key = `${msgid}${errno === undefined ? "" : ` ${errno}`}`;
    this.#result.answers.set(key, (this.#result.answers.get(key) ?? 0) + 1);
    return line.includes(`"ref":${ref}`);
  }
}
