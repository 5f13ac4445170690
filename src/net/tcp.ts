/** TCP: reads bytes into lines for the handler, one after the other, and writes what the connection has queued. */
import { LineDecoder } from "../wire/lines.ts";
import { Connection, type Transport } from "./connection.ts";
import type { LineHandler } from "./line_handler.ts";

/** A read buffer costs memory for as long as its connection is idle, so it is small until a read fills it. Bytes. */
const SMALL = 1024, LARGE = 16384;

const encoder = new TextEncoder();

class TcpTransport implements Transport {
  readonly kind = "tcp";
  readonly #conn: Deno.TcpConn;
  #open = true;

  constructor(conn: Deno.TcpConn, readonly address: string) {
    this.#conn = conn;
  }

  async write(lines: string, progress: () => void): Promise<void> {
    const bytes = encoder.encode(lines);
    for (let done = 0; done < bytes.length;) {
      done += await this.#conn.write(done === 0 ? bytes : bytes.subarray(done));
      progress();
    }
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

/** Serves one accepted connection until it ends. */
export function serveTcp(conn: Deno.TcpConn, options: { maxLine: number; sendQueue: number }, handler: LineHandler): Connection {
  conn.setNoDelay(true);
  conn.setKeepAlive(true);
  const connection = new Connection(new TcpTransport(conn, (conn.remoteAddr as Deno.NetAddr).hostname), options.sendQueue);
  const lines = new LineDecoder(options.maxLine);
  void readBytes(conn, connection, lines);
  void handleLines(connection, lines, handler);
  return connection;
}

async function readBytes(conn: Deno.TcpConn, connection: Connection, lines: LineDecoder): Promise<void> {
  let buffer = new Uint8Array(SMALL);
  try {
    for (;;) {
      const n = await conn.read(buffer);
      if (n === null) break;
      connection.hear();
      // After its end has begun, what still comes is read only so that closing does not reset it.
      if (connection.ending) continue;
      const behind = lines.feed(buffer.subarray(0, n));
      if (n === buffer.length) buffer = new Uint8Array(LARGE);
      else if (n < SMALL && buffer.length === LARGE) buffer = new Uint8Array(SMALL);
      if (behind) await behind;
    }
    connection.endInput();
    if (!lines.fault) lines.end();
  } catch {
    // ConnectionReset; Interrupted or BadResource after our own close; the stream cancelled by the handler's side.
    if (connection.ending) connection.endInput();
    else connection.destroy("reset");
    lines.cancel();
  }
}

async function handleLines(connection: Connection, lines: LineDecoder, handler: LineHandler): Promise<void> {
  try {
    for (;;) {
      const line = await lines.read();
      if (line === undefined || connection.ending) break;
      // The fast way is the one without an await.
      if (connection.congested) await connection.drained();
      const busy = handler.line(connection, line);
      if (busy) await busy;
    }
    if (connection.ending) lines.cancel();
    else if (lines.fault) handler.fault(connection, lines.fault);
    else await handler.end(connection);
  } catch {
    // The stream was cancelled by the reading side, which has destroyed the connection.
  }
}
