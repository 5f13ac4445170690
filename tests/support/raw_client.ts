/**
 * A bare client for tests: it does nothing of its own accord (no PONG, no RECEIVED, no reconnect), and can do to a connection what real networks do.
 *
 * It stands on `node:net`, because only that can reset a connection on demand (`SO_LINGER` 0) and stop reading without losing what a pending read takes.
 */
import net from "node:net";
import { afterAwake, Awake } from "./awake.ts";

/** A message as it came off the wire. The fields that most tests look at are typed, the others are `unknown`. */
export interface Message {
  msgid: number;
  errno?: number;
  errmsg?: string;
  ref?: number | string;
  re?: number;
  retry?: number;
  id?: number;
  name?: string;
  token?: string;
  toid?: number;
  groupid?: number;
  msg?: string;
  mid?: string;
  seq?: number;
  messageid?: number;
  ts?: number;
  state?: string;
  reason?: string;
  [field: string]: unknown;
}

/** Where a client connected to. */
export interface Server {
  port: number;
  hostname: string;
}

/** How a connection ended: the server's FIN, a reset, or this client's own {@linkcode RawClient.close} or {@linkcode RawClient.rst}. */
export type End = "fin" | "reset" | "self";

interface Waiter {
  matches: (message: Message) => boolean;
  resolve: (message: Message) => void;
  reject: (reason: Error) => void;
}

/** What {@linkcode RawClient.next} waits at most unless told otherwise (ms). Machines that test are busy. */
const PATIENCE = 30_000;

/**
 * A connection that does only what it is told.
 *
 * ```ts
 * await using c = await RawClient.connect(port);
 * const { id } = await c.register("bob", "secret");
 * const ack = await c.login({ name: "bob", password: "secret", proto: 2 });
 * c.send({ msgid: 13 });
 * await c.next((m) => m.msgid === 14);
 * ```
 */
export class RawClient implements AsyncDisposable {
  /** Lines received so far, whether taken by {@linkcode RawClient.next} or not. */
  lines = 0;
  /** Bytes received so far. */
  bytes = 0;
  /** How long its last LOGIN took to be answered (ms, awake.ts), without who came along. */
  loginTook = 0;
  /** Lines received and not taken yet. */
  readonly backlog: Message[] = [];
  /** Resolves when the connection is over and nothing more will come (while paused it may not be noticed). Never rejects. */
  readonly closed: Promise<End>;
  readonly #socket: net.Socket;
  readonly #waiters = new Set<Waiter>();
  readonly #decoder = new TextDecoder();
  #unfinished = "";
  #end: End | undefined;
  #lastRef = 0;
  #answersPings = false;
  /** Where it connected to. */
  readonly #server: Server | undefined;
  #companions: RawClient[] = [];

  /** Who comes along with whom has logged in (companions.ts); they go as that one does. */
  static companionsOf: ((server: Server, id: number, token: string) => Promise<RawClient[]>) | undefined;

  private constructor(socket: net.Socket, server?: Server) {
    this.#socket = socket;
    this.#server = server;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Uint8Array) => this.#read(chunk));
    socket.on("end", () => {
      this.#end ??= "fin";
      socket.end();
    });
    socket.on("error", () => {
      this.#end ??= "reset";
    });
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        const end = this.#end ??= "reset";
        for (const waiter of this.#waiters) waiter.reject(new Error(`The connection ended (${end}) while waiting; ${this.#describe()}`));
        for (const companion of this.#companions) void companion.close();
        resolve(end);
      })
    );
  }

  /** Connects over TCP. Rejects if nobody listens. */
  static connect(port: number, { hostname = "127.0.0.1" }: { hostname?: string } = {}): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: hostname, allowHalfOpen: true }, () => {
        socket.off("error", reject);
        resolve(new RawClient(socket, { port, hostname }));
      });
      socket.once("error", reject);
    });
  }

  /** On a socket that is connected already, such as a TLS socket. */
  static over(socket: net.Socket): RawClient {
    return new RawClient(socket);
  }

  /** The port of this end, by which a server's log or a proxy knows the connection. */
  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  /** Bytes that were sent, and that the kernel has not taken yet. */
  get unsent(): number {
    return this.#socket.writableLength;
  }

  /** Sends one message as one line. Does not wait; what cannot be sent any more is dropped ({@linkcode RawClient.closed} tells). */
  send(message: object): void {
    this.sendBytes(JSON.stringify(message) + "\n");
  }

  /** Sends exactly these bytes (a string as UTF-8) in one write. */
  sendBytes(bytes: Uint8Array | string): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Resolves when the kernel has taken all that was sent. */
  async flushed(): Promise<void> {
    // "drain" comes only to who filled the buffer.
    if (this.#socket.writableLength > 0) await Promise.race([new Promise<void>((resolve) => this.#socket.write("", () => resolve())), this.closed]);
  }

  /**
   * Takes the first message that `matches`, from the backlog or as it comes; the others stay in the backlog.
   *
   * Rejects after `ms` (awake.ts), or when the connection ends first.
   */
  next(matches: (message: Message) => boolean = () => true, ms = PATIENCE): Promise<Message> {
    const index = this.backlog.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.backlog.splice(index, 1)[0]);
    if (this.#socket.destroyed) return Promise.reject(new Error(`The connection has ended (${this.#end}); ${this.#describe()}`));
    return new Promise((resolve, reject) => {
      const forget = () => {
        giveUp();
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        matches,
        resolve: (message) => (forget(), resolve(message)),
        reject: (reason) => (forget(), reject(reason)),
      };
      const giveUp = afterAwake(ms, () => waiter.reject(new Error(`Nothing of that kind within ${ms} ms; ${this.#describe()}`)));
      this.#waiters.add(waiter);
    });
  }

  /** Sends `message` with a `ref` of its own and takes the answer that carries it. Errors are answers too: look at `errno`. */
  request(message: object, ms?: number): Promise<Message> {
    const ref = ++this.#lastRef;
    this.send({ ...message, ref });
    return this.next((m) => m.ref === ref, ms);
  }

  /** REGISTER; the answer, whatever it says. */
  register(name: string, password: string): Promise<Message> {
    return this.request({ msgid: 4, name, password });
  }

  /** LOGIN with these fields; add `proto` for a modern session. The answer, whatever it says. */
  async login(
    fields: { id?: number; name?: string; password?: string; token?: string; proto?: number; device?: string; takeover?: boolean },
  ): Promise<Message> {
    using took = new Awake();
    const ack = await this.request({ msgid: 1, ...fields });
    this.loginTook = took.ms;
    const { companionsOf } = RawClient;
    if (companionsOf && this.#server && fields.token !== undefined && ack.errno === 0) {
      // However long that takes.
      const answers = this.#answersPings;
      this.#answersPings = true;
      this.#companions = await companionsOf(this.#server, ack.id!, fields.token);
      this.#answersPings = answers;
      if (this.#socket.destroyed) await this.close();
    }
    return ack;
  }

  /** From now on every PING is answered at once, and not seen otherwise. */
  answerPings(): this {
    this.#answersPings = true;
    return this;
  }

  /** Every message in turn, until the connection ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    while (this.backlog.length > 0 || !this.#socket.destroyed) {
      try {
        yield await this.next(() => true, 2 ** 31 - 1);
      } catch {
        return;
      }
    }
  }

  /** Stops reading: what comes stays in the kernel, and then at the sender. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#socket.resume();
  }

  /** Half-closes (FIN): nothing more is sent, what comes is still read. */
  fin(): void {
    this.#socket.end();
  }

  /** Resets the connection (RST), as a crashed machine or a firewall would. */
  async rst(): Promise<void> {
    this.#end ??= "self";
    this.#socket.resetAndDestroy();
    await Promise.all([this.closed, ...this.#companions.map((companion) => companion.rst())]);
  }

  /** Closes at once. May be called again. */
  async close(): Promise<void> {
    this.#end ??= "self";
    this.#socket.destroy();
    await Promise.all([this.closed, ...this.#companions.map((companion) => companion.close())]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #read(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    const lines = (this.#unfinished + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#unfinished = lines.pop() ?? "";
    for (const line of lines) {
      this.lines++;
      const message = JSON.parse(line) as Message;
      if (this.#answersPings && message.msgid === 13) {
        this.send({ msgid: 14 });
        continue;
      }
      const waiter = [...this.#waiters].find((w) => w.matches(message));
      if (waiter) waiter.resolve(message);
      else this.backlog.push(message);
    }
  }

  #describe(): string {
    const last = this.backlog.slice(-5).map((m) => JSON.stringify(m).slice(0, 200));
    return `${this.backlog.length} untaken, the last: ${last.join(" ") || "none"}`;
  }
}
