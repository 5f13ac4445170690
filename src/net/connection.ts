/**
 * One client's connection: who it is, when it was last heard of, and its outgoing queue. What carries the bytes is a {@linkcode Transport}.
 *
 * The outgoing queue
 *
 * 1. `send` never blocks and never reorders, appends whole lines, and drops none until the end has begun.
 * 2. All connections that have something to send are flushed together, in a microtask: behind the handling of all that became readable in the same turn of the
 *    event loop. One write in flight each. Six times the messages per second of a write per message (docs/performance.md). What goes to very many, or is very
 *    long, is spread over turns of the loop (`async/loop.ts`); who has something to send meanwhile does not wait for that.
 *    Of a long line that goes to very many the beginning is the same for all: it stays a string of its own, all the way to the socket, and is encoded once. Put together
 *    with each one's end it would be copied for each, and thrown away; collecting that stopped everything for 20 ms and more.
 * 3. A classic client gets every line in a write of its own: it expects one JSON object per read.
 * 4. The queue is not bounded here. Whoever sends what can wait (messages, signals) looks at `congested` first; and while it is, no request of the client is handled.
 * 5. The peer counts as heard when something is read from it, and when a write that had been stuck goes on: then it has taken something.
 *
 * Its end
 *
 * 6. `finish` is the orderly way: what is queued goes out, then FIN, then a short time to read on (closing with unread input would make the kernel
 *    send RST, and the last line could be lost). `destroy` is the other one: at once.
 * 7. `closed` resolves exactly once, whoever ended it; `lost` is set from then on.
 */
import { laterFirst, spent } from "../async/loop.ts";
import { timeUp } from "../async/time_up.ts";
import { sharedNow } from "./clock.ts";
import type { Session } from "./session.ts";

/** Told what becomes of a write: `progressed` any number of times, then one of the others. */
export interface Writer {
  /** The kernel has taken a part of it. */
  progressed(): void;
  /** The kernel has taken it all. */
  wroteAll(): void;
  /** The connection is lost. */
  writeFailed(): void;
}

/** A transport that is not told what the kernel has taken of a write makes several of it, of so many bytes or characters. */
export const WRITE_PIECE = 65_536;

/** What carries the bytes of one connection. */
export interface Transport {
  /** Which it is. */
  readonly kind: "tcp" | "tls" | "websocket";
  /** The peer's address, for logs and limits. */
  readonly address: string;
  /** Writes it all, and tells `writer` how that goes. One write at a time. What has no LF at its end is the beginning of a line; the rest comes with the next write. */
  write(lines: string, writer: Writer): void;
  /** Says that nothing more will be sent. What comes in is still read. */
  closeWrite(): Promise<void>;
  /** Ends the connection at once; pending reads and writes end. May be called again. */
  close(): void;
}

/** Why a connection ended, as logs, metrics and GOODBYE name it. */
export type Cause =
  | "fin"
  | "reset"
  | "logout"
  | "silent"
  | "slow"
  | "replaced"
  | "kicked"
  | "badinput"
  | "full"
  | "limits"
  | "stopping"
  | "lost";

/** How long the peer may take for its FIN after ours (ms). */
export const FIN_MS = 1000;
/** How long `finish` lets the last lines take, before it waits for that (ms). */
const FINISH_MS = 2000;
/** A write pending for longer (ms) has met a full buffer; on its way through an empty one it takes microseconds. */
const WRITE_STUCK_MS = 250;

/** From that length on (characters) the beginning of a line is written by itself: the second write costs less than a copy. */
const LONG = 16_384;

/** After so many writes, or characters in them, it is looked whether the share of the turn is spent. */
const WRITES_OF_LOOK = 64, WRITTEN_OF_LOOK = 131_072;
/**
 * A flush begins so many writes at most, or characters in them; the rest has a later turn. What the runtime takes of them it hands to the kernel behind the turn, all in a
 * row, and no clock of ours sees that: 60 KB take 100 us and more there (docs/performance.md).
 */
const WRITES_OF_TURN = 256, WRITTEN_OF_TURN = 262_144;

let lastId = 0;
const dirty: Connection[] = [];
/** Those that a flush had no room for. */
let late: Connection[] = [];

function flushAll(): void {
  flush(dirty.splice(0));
}

function flushLate(): void {
  const connections = late;
  late = [];
  flush(connections);
}

function flush(connections: Connection[]): void {
  let written = 0, looked = 0;
  for (let i = 0; i < connections.length; i++) {
    written += connections[i]!.queued;
    connections[i]!.flush();
    const writes = i + 1, full = writes === WRITES_OF_TURN || written >= WRITTEN_OF_TURN;
    if (!full) {
      if (writes % WRITES_OF_LOOK > 0 && written - looked < WRITTEN_OF_LOOK) continue;
      looked = written;
      if (!spent()) continue;
    }
    return flushLater(connections, writes);
  }
}

/** The rest of these has its turn in a later one. */
function flushLater(connections: Connection[], from: number): void {
  if (from === connections.length) return;
  if (late.length === 0) laterFirst(flushLate);
  for (let i = from; i < connections.length; i++) late.push(connections[i]!);
}

/** Anything that can stand in one line to a client. */
export type Outgoing = Readonly<Record<string, unknown>>;

/** One client's connection. */
export class Connection implements Writer {
  /** Unique in this process. */
  readonly id: number = ++lastId;
  /** When it came (performance.now). */
  readonly since: number = performance.now();
  /** Set between login and departure; written by `presence/` only. */
  session: Session | undefined;
  /** When the peer was last heard of (performance.now). */
  heard: number = this.since;
  /** Since when it has had no session (performance.now); means nothing while it has one. */
  anonymousSince: number = this.since;
  /** When it was last sent a PING because of its silence (performance.now). */
  pinged = 0;
  /** When the write in flight began or last went on; 0 if none is. */
  writingSince = 0;
  /** A request of it is being handled, and natter may read no further meanwhile: its silence means nothing. {@linkcode idle} ends it. */
  busy = false;
  /** The peer has sent its FIN: no more requests will come. */
  inputEnded = false;
  /** The connection is gone. */
  lost = false;
  /** Why it ended; set once its end has begun. */
  cause: Cause | undefined;
  /** Every line goes out in a write of its own. */
  classic = false;
  /** Malformed lines since the last good one. */
  badLines = 0;
  /** Lines over the limit since there last was none owed; counted by patience.ts. */
  overLimit = 0;
  /** Called at the next sign of life ("heard") or of the end ("ended"): what a probe waits for. */
  onSign: ((sign: "heard" | "ended") => void) | undefined;
  /** Called when the connection is gone without its consent (RST, destroyed), not after FIN: takes a login out of the queue for hashing. */
  onLost: (() => void) | undefined;
  /** Called after each write that was taken; {@linkcode written} says how far. */
  onWritten: (() => void) | undefined;
  /** Resolves when it is gone; never rejects. */
  readonly closed: Promise<void>;
  #resolveClosed!: () => void;
  #transport: Transport;
  #sendQueue: number;
  /** What is to be written next. */
  #out = "";
  /** What comes behind it, if long beginnings stand among it: these by themselves, and the last is none. */
  #behind: string[] | undefined;
  /** Characters in both. */
  #unwritten = 0;
  #inFlight = 0;
  #dirty = false;
  #finishing = false;
  #appended = 0;
  #waiting: { level: number; resolve: () => void }[] = [];
  #wakeUp: (() => void) | undefined;

  /** Begins with an empty queue. @param sendQueue from how many queued characters on it is `congested` */
  constructor(transport: Transport, sendQueue: number) {
    this.#transport = transport;
    this.#sendQueue = sendQueue;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
  }

  /** What carries it. */
  get kind(): Transport["kind"] {
    return this.#transport.kind;
  }
  /** The peer's address. */
  get address(): string {
    return this.#transport.address;
  }
  /** Characters that the kernel has not taken yet. */
  get queued(): number {
    return this.#unwritten + this.#inFlight;
  }
  /** More waits than may: nothing is pushed, and no request is handled. */
  get congested(): boolean {
    return this.queued > this.#sendQueue;
  }
  /** Characters ever given to `send`. */
  get appended(): number {
    return this.#appended;
  }
  /** How many of the characters ever given to `send` the kernel has taken. */
  get written(): number {
    return this.#appended - this.queued;
  }
  /** No more requests of this client are to be handled. */
  get ending(): boolean {
    return this.#finishing || this.lost;
  }

  /** Queues one message. After the end has begun it is nothing. */
  send(message: Outgoing): void {
    this.sendLine(JSON.stringify(message) + "\n");
  }

  /** Queues one line that is JSON already, with its LF. The same string for many connections is encoded once. */
  sendLine(line: string): void {
    if (this.#finishing || this.lost) return;
    this.#append(line);
  }

  /** The same for a line whose `beginning` goes to many, and which `end` ends for this one. */
  sendJoined(beginning: string, end: string): void {
    if (beginning.length < LONG || this.classic) return this.sendLine(beginning + end);
    if (this.#finishing || this.lost) return;
    if (this.#out === "") this.#out = beginning;
    else (this.#behind ??= []).push(beginning);
    (this.#behind ??= []).push("");
    this.#unwritten += beginning.length;
    this.#appended += beginning.length;
    this.#append(end);
  }

  /** Resolves when the outgoing queue is at most half of what makes it `congested`, or the connection is gone. */
  drained(): Promise<void> {
    return this.#below(this.#sendQueue / 2);
  }

  /** Something came from the peer. */
  hear(): void {
    this.heard = sharedNow();
    if (this.onSign) this.onSign("heard");
  }

  /** Its requests are read on. A PING from before does not count: the answer may have waited unread. */
  idle(): void {
    this.busy = false;
    this.pinged = 0;
  }

  /** The peer's FIN came. */
  endInput(): void {
    this.inputEnded = true;
    this.onSign?.("ended");
  }

  /** The orderly end: `last` (a GOODBYE, an error) and all that is queued go out, then FIN. Resolves when the connection is gone. */
  finish(cause: Cause, last?: Outgoing): Promise<void> {
    if (this.ending) return this.closed;
    if (last) this.#append(JSON.stringify(last) + "\n");
    this.#finishing = true;
    this.cause ??= cause;
    // Nothing more in either direction: the kernel sends the FIN when the socket is closed. Storms of clients that vanish take this way.
    if (this.kind === "tcp" && this.inputEnded && this.queued === 0) this.destroy(cause);
    else void this.#finish();
    return this.closed;
  }

  /** The end at once: what is queued is dropped. */
  destroy(cause: Cause): void {
    if (this.lost) return;
    this.cause ??= cause;
    this.lost = true;
    this.#out = "";
    this.#behind = undefined;
    this.#unwritten = 0;
    this.#transport.close();
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    this.#wakeUp?.();
    this.onSign?.("ended");
    this.onLost?.();
    this.#resolveClosed();
  }

  /** Starts a write if there is something to write and none is in flight. Called by the common flush. */
  flush(): void {
    this.#dirty = false;
    if (this.#inFlight === 0 && this.#out !== "" && !this.lost) this.#write();
  }

  /** Resolves after `ms`, or when the connection is gone. One at a time. */
  rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakeUp = undefined;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wakeUp = wake;
    });
  }

  /** The kernel has taken something of the write in flight. */
  progressed(): void {
    const now = sharedNow();
    if (now - this.writingSince > WRITE_STUCK_MS) {
      this.heard = now;
      this.onSign?.("heard");
    }
    this.writingSince = now;
  }

  /** The kernel has taken the write in flight. */
  wroteAll(): void {
    this.progressed();
    this.#inFlight = 0;
    if (this.lost) return;
    this.onWritten?.();
    if (this.#waiting.length > 0) this.#wake();
    if (this.#out !== "") this.#write();
    else this.writingSince = 0;
  }

  /** The peer takes nothing more: it is gone, or it was our own close that ended the write. */
  writeFailed(): void {
    this.#inFlight = 0;
    this.destroy("reset");
  }

  #append(line: string): void {
    if (this.#behind) this.#behind[this.#behind.length - 1] += line;
    else this.#out += line;
    this.#unwritten += line.length;
    this.#appended += line.length;
    if (this.#dirty || this.#inFlight > 0) return;
    this.#dirty = true;
    if (dirty.push(this) === 1) queueMicrotask(flushAll);
  }

  #write(): void {
    const end = this.classic ? this.#out.indexOf("\n") + 1 : this.#out.length;
    const lines = this.classic ? this.#out.slice(0, end) : this.#out;
    this.#out = this.classic ? this.#out.slice(end) : this.#next();
    this.#unwritten -= lines.length;
    this.#inFlight = lines.length;
    this.writingSince = sharedNow();
    this.#transport.write(lines, this);
  }

  #next(): string {
    const next = this.#behind?.shift();
    if (this.#behind?.length === 0) this.#behind = undefined;
    return next ?? "";
  }

  async #finish(): Promise<void> {
    const inTime = timeUp(FINISH_MS, () => this.destroy("slow"));
    try {
      this.flush();
      await this.#below(0);
      if (!this.lost) await this.#transport.closeWrite();
    } catch {
      this.destroy("reset");
    } finally {
      inTime();
    }
    if (this.lost) return;
    if (this.inputEnded) return this.destroy("fin");
    const gone = timeUp(FIN_MS, () => this.destroy("fin"));
    this.onSign = (sign) => sign === "ended" && this.destroy("fin");
    await this.closed;
    gone();
  }

  #below(level: number): Promise<void> {
    if (this.lost || this.queued <= level) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ level, resolve }));
  }

  #wake(): void {
    const ready = this.#waiting.filter((w) => this.queued <= w.level);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((w) => this.queued > w.level);
    for (const { resolve } of ready) resolve();
  }
}
