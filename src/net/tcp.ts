/** TCP: accepts, reads bytes into lines for the handler, and writes what a connection has queued. */
import { timeUp } from "../async/time_up.ts";
import { log } from "../ops/log.ts";
import { Acceptor } from "./accept.ts";
import { bytesOf, isBeginning } from "./beginning.ts";
import { BufferPool, LARGE_READ, SMALL_READ } from "./buffer_pool.ts";
import { Connection, type Transport, type Writer } from "./connection.ts";
import { type LineHandler, LineInput, type LineLimits } from "./line_handler.ts";
import { PROXY_HEADER_MS, readProxyHeader } from "./proxy_header.ts";

const encoder = new TextEncoder();
/** For single messages, and for what a burst of them makes. */
const small = new BufferPool(2048, 1024), large = new BufferPool(65_536, 8);

/** The text of the last write, and its bytes if a write after it had the same: what goes to a group is encoded once. */
let lastText = "", lastBytes: Uint8Array | undefined;

class TcpTransport implements Transport {
  readonly kind = "tcp";
  readonly #conn: Deno.TcpConn;
  #open = true;

  constructor(conn: Deno.TcpConn, readonly address: string) {
    this.#conn = conn;
  }

  write(lines: string, writer: Writer): void {
    if (isBeginning(lines)) return this.#write(bytesOf(lines), writer);
    if (lines === lastText) return this.#write(lastBytes ??= encoder.encode(lines), writer);
    lastText = lines;
    lastBytes = undefined;
    // A character takes three bytes at most.
    const most = lines.length * 3;
    const pool = most <= small.size ? small : large;
    const buffer = most <= pool.size ? pool.take() : undefined;
    if (!buffer) return this.#write(encoder.encode(lines), writer);
    this.#write(buffer.subarray(0, encoder.encodeInto(lines, buffer).written), writer, () => pool.giveBack(buffer));
  }

  /** `done` is called when the bytes are not needed any more. */
  #write(bytes: Uint8Array, writer: Writer, done?: () => void): void {
    this.#conn.write(bytes).then((taken) => {
      if (taken < bytes.length) {
        writer.progressed();
        return this.#write(bytes.subarray(taken), writer, done);
      }
      done?.();
      writer.wroteAll();
    }, () => {
      done?.();
      writer.writeFailed();
    });
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#conn.close();
  }
}

/** Serves what comes to a TCP listener. */
export class TcpListener {
  readonly #acceptor: Acceptor;
  readonly #limits: LineLimits;
  readonly #handler: LineHandler;

  /** Takes the listener over. `trustedProxy`: addresses whose connections begin with a PROXY header. */
  constructor(listener: Deno.TcpListener, trustedProxy: readonly string[], limits: LineLimits, handler: LineHandler) {
    this.#limits = limits;
    this.#handler = handler;
    const trusted = new Set(trustedProxy);
    this.#acceptor = new Acceptor(listener, (conn, peer) => {
      if (trusted.has(peer)) void this.#serveProxied(conn, peer);
      else serve(conn, peer, undefined, limits, handler);
    });
  }

  /** Accepts no more; those connected stay. */
  close(): Promise<void> {
    return this.#acceptor.close();
  }

  async #serveProxied(conn: Deno.TcpConn, peer: string): Promise<void> {
    const inTime = timeUp(PROXY_HEADER_MS, () => conn.close());
    try {
      const proxied = await readProxyHeader(conn);
      inTime();
      if (proxied && !this.#acceptor.closed) return serve(conn, proxied.address ?? peer, proxied.rest, this.#limits, this.#handler);
      log.warning("a trusted proxy sent no PROXY header", { address: peer });
      conn.close();
    } catch {
      inTime();
      try {
        conn.close();
      } catch {
        // It was too late, and is closed.
      }
    }
  }
}

/** Serves one connection until it ends. `first` are bytes that were read already. */
function serve(conn: Deno.TcpConn, address: string, first: Uint8Array | undefined, limits: LineLimits, handler: LineHandler): void {
  try {
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
  } catch {
    // It was reset before it was served; reading tells.
  }
  const connection = new Connection(new TcpTransport(conn, address), limits.sendQueue);
  const input = new LineInput(connection, handler, limits.maxLine);
  handler.opened(connection);
  if (first) input.feed(first);
  void readBytes(conn, connection, input);
}

async function readBytes(conn: Deno.TcpConn, connection: Connection, input: LineInput): Promise<void> {
  let buffer = new Uint8Array(SMALL_READ);
  try {
    for (;;) {
      const n = await conn.read(buffer);
      if (n === null) break;
      connection.hear();
      // After its end has begun, what still comes is read only so that closing does not reset it.
      if (connection.ending) continue;
      const behind = input.feed(buffer.subarray(0, n));
      if (n === SMALL_READ && buffer.length === SMALL_READ) buffer = new Uint8Array(LARGE_READ);
      else if (n < SMALL_READ && buffer.length === LARGE_READ) buffer = new Uint8Array(SMALL_READ);
      // Also where nothing is behind: what these lines wrote goes out (a microtask) before the next read is begun, which costs as much as a write's beginning.
      await behind;
    }
    connection.endInput();
    input.end();
  } catch {
    // ConnectionReset; Interrupted or BadResource after our own close.
    if (connection.ending) connection.endInput();
    else connection.destroy("reset");
    input.cancel();
  }
}
