/**
 * HTTP connections that are no client's (yet): someone asks for the page, is in a TLS handshake, or says nothing at all. They are bounded in number, per address
 * and in time; node:http's own timeouts do not hold on every Deno.
 */
import type { Socket } from "node:net";
import type { Limits } from "../ops/limits.ts";
import { plainAddress } from "./listen.ts";

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
  /** By the peer's port and address, which is all that a TLS socket and the TCP socket below it have in common. */
  readonly #present = new Map<string, { timer: ReturnType<typeof setTimeout>; leave: () => void; socket: Socket }>();

  /** Nobody is there yet. */
  constructor(rules: VisitorLimits) {
    this.#rules = rules;
  }

  /** A TCP connection has come; if there are too many, it is closed. */
  arrived(socket: Socket): void {
    const { mostVisitors, exempt, limits, headTime } = this.#rules;
    socket.on("error", () => socket.destroy());
    const peer = peerOf(socket);
    const address = plainAddress(socket.remoteAddress ?? "");
    const counted = !exempt.has(address);
    const welcome = !counted || limits.connected(address);
    const leave = () => {
      const visit = this.#present.get(peer);
      if (visit?.socket !== socket) return;
      clearTimeout(visit.timer);
      this.#present.delete(peer);
      if (counted) limits.disconnected(address);
    };
    this.#present.set(peer, { socket, leave, timer: setTimeout(() => socket.destroy(), headTime) });
    socket.on("close", leave);
    if (!welcome || this.#present.size > mostVisitors) socket.destroy();
  }

  /** The head of a request is there. */
  asked(socket: Socket): void {
    this.#wait(socket, ANSWER_MS);
  }

  /** The request is answered. */
  answered(socket: Socket): void {
    this.#wait(socket, this.#rules.headTime);
  }

  /** The connection is a client's now. */
  left(socket: Socket): void {
    this.#present.get(peerOf(socket))?.leave();
  }

  #wait(socket: Socket, ms: number): void {
    const visit = this.#present.get(peerOf(socket));
    if (!visit) return;
    clearTimeout(visit.timer);
    visit.timer = setTimeout(() => visit.socket.destroy(), ms);
  }
}

function peerOf({ remotePort, remoteAddress }: Socket): string {
  return `${remotePort} ${remoteAddress}`;
}
