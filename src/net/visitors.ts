/**
 * HTTP connections that are no client's (yet): someone asks for the page, is in a TLS handshake, or says nothing at all. They are bounded in number, per address
 * and in time; node:http's own times do not hold on every Deno, and not without a listener of its own.
 */
import type { Duplex } from "node:stream";
import type { Limits } from "../ops/limits.ts";

/** What visitors may do. */
export interface VisitorLimits {
  /** How many there may be. */
  mostVisitors: number;
  /** How long a request's head, with the TLS handshake before it, may take (ms). */
  headTime: number;
  /** Counts the connections of an address, those of visitors among them. */
  limits: Pick<Limits, "connected" | "disconnected">;
  /** Proxies, which come for many. */
  exempt: ReadonlySet<string>;
}

/** How long an answer may take to be read (ms). */
const ANSWER_MS = 60_000;

/** Those who are there, and how long yet. */
export class Visitors {
  readonly #rules: VisitorLimits;
  /** By the socket that requests come on. */
  readonly #present = new Map<unknown, { timer: ReturnType<typeof setTimeout>; leave: () => void; stream: Duplex }>();

  /** Nobody is there yet. */
  constructor(rules: VisitorLimits) {
    this.#rules = rules;
  }

  /** A connection has come; requests will be on `socket`. @returns whether it may stay; if not, it is closed */
  arrived(socket: unknown, stream: Duplex, peer: string): boolean {
    const { mostVisitors, exempt, limits, headTime } = this.#rules;
    const counted = !exempt.has(peer);
    const welcome = !counted || limits.connected(peer);
    const leave = () => {
      const visit = this.#present.get(socket);
      if (!visit) return;
      clearTimeout(visit.timer);
      this.#present.delete(socket);
      if (counted) limits.disconnected(peer);
    };
    this.#present.set(socket, { stream, leave, timer: setTimeout(() => stream.destroy(), headTime) });
    stream.on("close", leave);
    if (welcome && this.#present.size <= mostVisitors) return true;
    stream.destroy();
    return false;
  }

  /** The head of a request is there. */
  asked(socket: unknown): void {
    this.#wait(socket, ANSWER_MS);
  }

  /** The request is answered. */
  answered(socket: unknown): void {
    this.#wait(socket, this.#rules.headTime);
  }

  /** The connection is a client's now. */
  left(socket: unknown): void {
    this.#present.get(socket)?.leave();
  }

  /** Ends them all. */
  close(): void {
    for (const { stream } of this.#present.values()) stream.destroy();
  }

  #wait(socket: unknown, ms: number): void {
    const visit = this.#present.get(socket);
    if (!visit) return;
    clearTimeout(visit.timer);
    visit.timer = setTimeout(() => visit.stream.destroy(), ms);
  }
}
