/**
 * HTTP connections that are no client's (yet): someone asks for the page, is in a TLS handshake, or says nothing at all. They are bounded in number, per address,
 * in time, and in what they ask at once; node:http's own times do not hold on every Deno, and not without a listener of its own.
 *
 * 1. Who waits (for the head of a request, the first one or the next) is gone when its time is over. Where there are too many, the one that has waited longest
 *    makes room for who comes.
 * 2. Who is being answered has a time of its own for it, and is not cut by who comes, nor by what it has asked already. A long body, in either direction, gets as
 *    much time as a slow line needs; those who are busy with one are few enough to leave room for the others.
 * 3. Requests that came before the last one was answered wait their turn, but not many: browsers and proxies send none such. Who sends more is gone.
 */
import type { Duplex } from "node:stream";
import type { Limits } from "../ops/limits.ts";
import { timeUp } from "../async/time_up.ts";
import { within } from "../async/within.ts";
import { FIN_MS } from "./connection.ts";

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

/** How long a request may take to be answered, and the answer to be read (ms): so long, and longer for a body, by the slowest line that it is carried on (bytes a second). */
const REQUEST_MS = 60_000, SLOWEST = 16_384;
/** A body of more bytes is a long one. Of all who may be there, this part may be busy with such. */
export const LONG_BODY = 1024 * 1024;
const LONG_PART = 1 / 2;
/** How long a proxy's connection may wait for its next request (ms): longer than proxies keep one, so that none is closed just when they use it. */
const KEPT_MS = 75_000;
/** How long answers that are under way may take when all is closed (ms). */
const LAST_ANSWERS_MS = 500;
/** How long what still comes behind a last answer is read away (ms), and how much of it (bytes), if it goes on coming. */
const LINGER_MS = 30_000, LINGER_BYTES = 64 * 1024 * 1024;
/** Requests of a connection that may be unanswered. */
const MOST_ASKED = 16;

interface Visit {
  /** What carries the socket, or is it. */
  readonly stream: Duplex;
  readonly leave: () => void;
  /** How long it may wait for the next request (ms). */
  readonly keptTime: number;
  /** Takes back that its time will be over. */
  stay: () => void;
  /** Requests that are not answered yet. */
  asked: number;
  /** Nothing more is read of it. */
  ending: boolean;
  /** It sends or reads a long body. */
  long: boolean;
  /** What came behind its last answer (bytes), and until when it may (performance.now). */
  lingering?: { bytes: number; until: number };
}

/** Those who are there, and how long yet. */
export class Visitors {
  readonly #rules: VisitorLimits;
  /** By the socket that requests come on; those who wait in the order since when. */
  readonly #present = new Map<Duplex, Visit>();
  /** How many are busy with a long body. */
  #long = 0;
  #closing = false;
  #empty: (() => void) | undefined;

  /** Nobody is there yet. */
  constructor(rules: VisitorLimits) {
    this.#rules = rules;
  }

  /** A connection has come; requests will be on `socket`. @returns whether it may stay; if not, it is closed */
  arrived(socket: Duplex, stream: Duplex, peer: string): boolean {
    const { mostVisitors, exempt, limits, headTime } = this.#rules;
    const counted = !exempt.has(peer);
    const welcome = !counted || limits.connected(peer);
    const leave = () => {
      const visit = this.#present.get(socket);
      if (!visit) return;
      visit.stay();
      this.#present.delete(socket);
      this.#short(visit);
      if (counted) limits.disconnected(peer);
      if (this.#present.size === 0) this.#empty?.();
    };
    if (welcome && this.#present.size >= mostVisitors) this.#makeRoom();
    const visit: Visit = {
      stream,
      leave,
      keptTime: counted ? headTime : KEPT_MS,
      stay: timeUp(headTime, () => stream.destroy()),
      asked: 0,
      ending: false,
      long: false,
    };
    this.#present.set(socket, visit);
    stream.on("close", leave);
    if (welcome && this.#present.size <= mostVisitors && !this.#closing) return true;
    stream.destroy();
    leave();
    return false;
  }

  /** The head of a request is there. @returns whether it may be answered; if not, its connection is closed */
  asked(socket: Duplex): boolean {
    const visit = this.#present.get(socket);
    if (!visit || visit.ending) return false;
    if (++visit.asked > MOST_ASKED) {
      visit.stream.destroy();
      return false;
    }
    if (visit.asked === 1) this.#wait(visit, REQUEST_MS);
    return true;
  }

  /** A body of so many bytes (undefined: nobody knows) is about to come, or to be sent, or a piece of such a one. @returns whether it may: not too many are long ones */
  carries(socket: Duplex, bytes: number | undefined): boolean {
    const visit = this.#present.get(socket);
    if (!visit) return false;
    if ((bytes === undefined || bytes > LONG_BODY) && !visit.long) {
      if (this.#long >= this.#rules.mostVisitors * LONG_PART) return false;
      visit.long = true;
      this.#long++;
    }
    this.#wait(visit, REQUEST_MS + (bytes ?? 0) / SLOWEST * 1000);
    return true;
  }

  /** How long this connection may wait for its next request (ms); 0: all are about to be closed. */
  keptTime(socket: Duplex): number {
    return this.#closing ? 0 : this.#present.get(socket)?.keptTime ?? 0;
  }

  /** A request is answered. */
  answered(socket: Duplex): void {
    const visit = this.#present.get(socket);
    if (!visit) return;
    visit.asked--;
    this.#short(visit);
    if (visit.asked > 0) return this.#wait(visit, REQUEST_MS);
    // To the end of those who wait.
    this.#present.delete(socket);
    this.#present.set(socket, visit);
    if (visit.ending) socket.end();
    this.#wait(visit, visit.ending || this.#closing ? FIN_MS : visit.keptTime);
  }

  /** No further request of it is read; what it has asked is answered, then it is closed. @returns whether nothing is being answered */
  end(socket: Duplex): boolean {
    const visit = this.#present.get(socket);
    if (!visit) return false;
    visit.ending = true;
    if (visit.asked > 0) return false;
    this.#wait(visit, FIN_MS);
    return true;
  }

  /** So many bytes came behind its last answer. @returns how much it was in all, while more may come; if not, it is closed */
  lingers(socket: Duplex, bytes: number): number | undefined {
    const visit = this.#present.get(socket);
    if (!visit) return undefined;
    const now = performance.now();
    const lingering = visit.lingering ??= { bytes: 0, until: now + LINGER_MS };
    lingering.bytes += bytes;
    const left = Math.min(FIN_MS, lingering.until - now);
    if (left > 0 && lingering.bytes <= LINGER_BYTES) {
      this.#wait(visit, left);
      return lingering.bytes;
    }
    visit.stream.destroy();
    return undefined;
  }

  /** The connection is a client's now. @returns whether it may be: nothing else is being answered on it */
  left(socket: Duplex): boolean {
    const visit = this.#present.get(socket);
    if (!visit || visit.asked > 0) return false;
    visit.stream.off("close", visit.leave);
    visit.leave();
    return true;
  }

  /** Ends them all: who waits at once, who is being answered when that is done, or soon. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const { stream, asked } of this.#present.values()) if (asked === 0) stream.destroy();
    if (this.#present.size > 0) await within(new Promise<void>((resolve) => this.#empty = resolve), LAST_ANSWERS_MS);
    for (const { stream } of this.#present.values()) stream.destroy();
  }

  #short(visit: Visit): void {
    if (visit.long) this.#long--;
    visit.long = false;
  }

  #makeRoom(): void {
    for (const { asked, stream, leave } of this.#present.values()) {
      if (asked > 0) continue;
      stream.destroy();
      leave();
      return;
    }
  }

  #wait(visit: Visit, ms: number): void {
    visit.stay();
    visit.stay = timeUp(ms, () => visit.stream.destroy());
  }
}
