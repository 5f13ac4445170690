/**
 * Accepting, for every listener but TLS's before Deno 2.9 (node_stream.ts): one loop that goes on after an error. When no file descriptor is left accept fails; those connected are served on, and those who
 * wait come in when there is one again. (A listener of node:net under Deno would never accept again.)
 */
import type { Address } from "../config/config.ts";
import { usualIp } from "../ip.ts";
import { log } from "../ops/log.ts";
import { addressOf } from "./listen.ts";

/** Pause after an accept that failed (ms). */
const ACCEPT_PAUSE_MS = 50;

/** Gives away each connection that comes to a listener. */
export class Acceptor {
  /** Where it listens, with the port that was picked. */
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  readonly #accepting: Promise<void>;
  #closed = false;

  /** Takes the listener over. `accepted` gets the connection and its peer's address, and throws nothing. */
  constructor(listener: Deno.TcpListener, accepted: (conn: Deno.TcpConn, address: string) => void) {
    this.#listener = listener;
    this.address = addressOf(listener);
    this.#accepting = this.#accept(accepted);
  }

  /** Nothing more is accepted. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Accepts no more; those connected stay. */
  async close(): Promise<void> {
    if (!this.#closed) this.#listener.close();
    this.#closed = true;
    await this.#accepting;
  }

  async #accept(accepted: (conn: Deno.TcpConn, address: string) => void): Promise<void> {
    let pausing = false;
    while (!this.#closed) {
      try {
        const conn = await this.#listener.accept();
        pausing = false;
        accepted(conn, ipOf(conn.remoteAddr));
      } catch (error) {
        if (this.#closed) return;
        if (isOfPeer(error)) {
          log.debug("gone before it was accepted", {});
          continue;
        }
        if (!pausing) log.warning("accepting a connection failed", { error });
        pausing = true;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    }
  }
}

function isOfPeer(error: unknown): boolean {
  const { NotConnected, ConnectionAborted, ConnectionReset } = Deno.errors;
  return [NotConnected, ConnectionAborted, ConnectionReset].some((kind) => error instanceof kind);
}

/** Whose end of a connection this is. */
export function ipOf({ hostname }: { hostname: string }): string {
  return usualIp(hostname) ?? hostname;
}
