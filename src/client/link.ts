/**
 * One connection's conversation with a server: answers find their requests, PING is answered, silence is noticed.
 *
 * Rules:
 *
 * 1. A link ends once, and `ended` says why. From then on nothing is sent, and nothing is passed on.
 * 2. Every request is answered once: by the server, or with `undefined` when the link ends.
 * 3. A deadline on what was last heard is the only thing that tells a dead server: writes succeed for a long time. Whoever has a reason to doubt (`ask`, or the
 *    machine slept) sets a shorter one.
 */
import { ConnectionLost } from "./errors.ts";
import { type Goodbye, Msg, type Reply, type Request } from "./protocol.ts";
import type { ClientTransport, Connect } from "./transport.ts";

/** How long the server has for a word when there is a reason to doubt that it is there, and how late a timer is if the machine slept (ms). */
const DOUBT = 2500, SLEPT = 2000;

/** A line of the server that is no answer. */
export interface Push {
  /** One of the protocol's. */
  msgid: number;
  /** The fields of its row. */
  [field: string]: unknown;
}

/** Takes the answer to a request; undefined: there is none, the link ended. */
export type Answered = (reply: Reply | undefined) => void;

/** A connection, from its first line to its last. */
export class Link {
  /** Resolves when the link is over, with the reason. Never rejects. */
  readonly ended: Promise<ConnectionLost>;
  readonly #push: (message: Push) => void;
  readonly #waiting = new Map<number, Answered>();
  #transport: ClientTransport | undefined;
  #lastRef = 0;
  #end: ConnectionLost | undefined;
  #resolveEnded!: (reason: ConnectionLost) => void;
  #heard = 0;
  #heartbeat: ReturnType<typeof setTimeout> | undefined;
  #doubt: ReturnType<typeof setTimeout> | undefined;

  private constructor(push: (message: Push) => void) {
    this.#push = push;
    this.ended = new Promise((resolve) => this.#resolveEnded = resolve);
  }

  /**
   * Connects within `timeout` ms. `push` gets what is no answer, GOODBYE included.
   *
   * Rejects with {@linkcode ConnectionLost}: `unreachable`, `timeout`, or what `signal` aborts with.
   */
  static async open(connect: Connect, push: (message: Push) => void, timeout: number, signal?: AbortSignal): Promise<Link> {
    const link = new Link(push);
    const attempt = new AbortController();
    const timer = setTimeout(() => attempt.abort(new ConnectionLost("timeout")), timeout);
    const abort = () => attempt.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      const transport = await connect({ line: (line) => link.#read(line), close: () => link.#finish(new ConnectionLost("lost")) }, attempt.signal);
      link.#transport = transport;
      if (attempt.signal.aborted) {
        await transport.close();
        throw attempt.signal.reason;
      }
      return link;
    } catch (cause) {
      throw attempt.signal.aborted ? attempt.signal.reason : new ConnectionLost("unreachable", { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Sends a message that has no answer. */
  send(message: Request): void {
    if (this.#end === undefined) this.#transport?.send(JSON.stringify(message));
  }

  /** Sends a request; `answered` is called once, however long it takes. */
  call(message: Request, answered: Answered): void {
    if (this.#end !== undefined) return answered(undefined);
    const ref = ++this.#lastRef;
    this.#waiting.set(ref, answered);
    this.send({ ...message, ref });
  }

  /**
   * Sends a request. The answer, whatever its errno; `early` gets it before the next line is read (a promise resolves after that).
   *
   * Rejects with {@linkcode ConnectionLost} when the link ends first, or after `timeout` ms.
   */
  request(message: Request, timeout: number, early?: (reply: Reply) => void): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new ConnectionLost("timeout")), timeout);
      this.call(message, (reply) => {
        clearTimeout(timer);
        if (reply === undefined) return reject(this.#end);
        early?.(reply);
        resolve(reply);
      });
    });
  }

  /** From now on: PING after `period` ms of silence, and the end after as much again. */
  watch(period: number): void {
    let due = Infinity;
    const wait = (ms: number, asked?: number) => {
      due = performance.now() + ms;
      this.#heartbeat = setTimeout(look, ms, asked);
    };
    const look = (asked?: number) => {
      const now = performance.now();
      const silence = now - this.#heard;
      if (now - due > SLEPT) {
        wait(period);
        this.ask();
      } else if (asked !== undefined && this.#heard < asked) {
        this.#finish(new ConnectionLost("timeout"));
      } else if (silence >= period) {
        // The answer has a whole period of its own, so that a machine that slept does not take its sleep for the server's silence.
        wait(period, now);
        this.send({ msgid: Msg.PING });
      } else {
        wait(period - silence);
      }
    };
    look();
  }

  /** Asks for a word; the link ends if none comes within 2.5 s. */
  ask(): void {
    if (this.#end !== undefined || this.#doubt !== undefined) return;
    const asked = performance.now();
    this.#doubt = setTimeout(() => {
      this.#doubt = undefined;
      if (this.#heard < asked) this.#finish(new ConnectionLost("timeout"));
    }, DOUBT);
    this.send({ msgid: Msg.PING });
  }

  /** Ends the link. Resolves when the transport has let go. */
  async close(reason = new ConnectionLost("closed")): Promise<void> {
    this.#finish(reason);
    await this.#transport?.close();
  }

  #read(line: string): void {
    if (this.#end !== undefined || line === "") return;
    this.#heard = performance.now();
    let message: Push;
    try {
      message = JSON.parse(line);
      if (typeof message !== "object" || message === null) throw new SyntaxError("not a message");
    } catch (cause) {
      return this.#finish(new ConnectionLost("lost", { cause }));
    }
    const ref = message.ref;
    const answered = typeof ref === "number" ? this.#waiting.get(ref) : undefined;
    if (answered) {
      this.#waiting.delete(ref as number);
      answered(message as Reply);
    } else if (message.msgid === Msg.PING) {
      this.send({ msgid: Msg.PONG, ref: message.ref });
    } else if (message.msgid === Msg.GOODBYE) {
      this.#push(message);
      const { reason, retry } = message as unknown as Goodbye;
      this.#finish(new ConnectionLost("goodbye", { goodbye: { reason, retry } }));
    } else {
      this.#push(message);
    }
  }

  #finish(reason: ConnectionLost): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    clearTimeout(this.#heartbeat);
    clearTimeout(this.#doubt);
    this.#transport?.close();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const answered of waiting) answered(undefined);
    this.#resolveEnded(reason);
  }
}
