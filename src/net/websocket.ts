/** WebSocket: the same lines in text frames. A frame holds one or more lines, its end ends the last of them. npm's `ws` does the frames. */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
// @ts-types="npm:@types/ws@^8.18.2"
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { laterTurn, spent } from "../async/loop.ts";
import { decodeUtf8 } from "../wire/utf8.ts";
import { bytesOf, isBeginning } from "./beginning.ts";
import { Connection, type Transport, WRITE_PIECE, type Writer } from "./connection.ts";
import { type LineHandler, type LineLimits, LINES_OF_TURN } from "./line_handler.ts";

/** Frames that may wait for the handler before reading is paused. */
const FRAMES_AHEAD = 8;
/** Most pieces of a frame, as the client cuts it and as the network does: each costs memory of its own, however small it is. */
const MAX_FRAGMENTS = 128, MAX_CHUNKS = 1024;
/** Close code of RFC 6455: all is well. */
const NORMAL = 1000;
/** What `ws` calls a frame that is longer than allowed. */
const TOO_LONG = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";

const LF = 10, CR = 13;

/** `ws` answers a close frame, and a fault, with a close frame at once. Here who serves it says when: what was asked before is answered first. */
class ServedSocket extends WebSocket {
  /** Called, a microtask later, when there is something to answer with a close frame; nothing more comes from the peer. A fault is told by "error" before. */
  onClosing: (() => void) | undefined;
  #answer: [code?: number, reason?: string | Uint8Array] | undefined;

  /** The peer has said that it closes, or what it said last is no frame. */
  get closing(): boolean {
    return this.#answer !== undefined;
  }

  /** Called by `ws`. */
  override close(code?: number, reason?: string | Uint8Array): void {
    if (this.readyState !== WebSocket.OPEN) return super.close(code, reason as string);
    if (this.#answer) return;
    this.#answer = [code, reason];
    queueMicrotask(() => this.onClosing?.());
  }

  /** Sends the close frame; if it is an answer, FIN follows. */
  end(): void {
    const [code, reason] = this.#answer ?? [NORMAL];
    super.close(code, reason as string);
  }
}

class WebSocketTransport implements Transport {
  readonly kind = "websocket";
  readonly #socket: ServedSocket;
  readonly #stream: Duplex;

  constructor(socket: ServedSocket, stream: Duplex, readonly address: string) {
    this.#socket = socket;
    this.#stream = stream;
  }

  write(lines: string, writer: Writer): void {
    this.#write(lines, writer).then(() => writer.wroteAll(), () => writer.writeFailed());
  }

  async #write(lines: string, writer: Writer): Promise<void> {
    if (isBeginning(lines)) return await this.#writeBeginning(bytesOf(lines), writer);
    for (let at = 0; at < lines.length;) {
      if (at > 0) writer.progressed();
      // A frame holds whole lines.
      const end = lines.length - at <= WRITE_PIECE ? lines.length : lines.indexOf("\n", at + WRITE_PIECE - 1) + 1;
      await this.#send(lines.slice(at, end));
      at = end;
    }
  }

  /** Fragments of a frame (RFC 6455, 5.4), which the next write ends. */
  async #writeBeginning(bytes: Uint8Array, writer: Writer): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_PIECE) {
      if (at > 0) writer.progressed();
      await this.#send(bytes.subarray(at, at + WRITE_PIECE), false);
    }
  }

  #send(text: string | Uint8Array, fin = true): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(text, { binary: false, fin }, (error?: Error | null) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.once("finish", resolve);
      this.#stream.once("close", resolve);
      this.#socket.end();
      // Else it stays open until the peer has answered.
      if (!this.#socket.closing || this.#stream.destroyed) resolve();
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}

/** Turns upgrade requests into connections. */
export class WebSockets {
  readonly #server: WebSocketServer;
  readonly #limits: LineLimits;
  readonly #handler: LineHandler;

  /** Takes no connections by itself: `upgrade` does. */
  constructor(limits: LineLimits, handler: LineHandler) {
    this.#limits = limits;
    this.#handler = handler;
    this.#server = new WebSocketServer({
      noServer: true,
      WebSocket: ServedSocket,
      clientTracking: false,
      perMessageDeflate: false,
      // A frame a little too long is answered (errno 14); one far too long is cut off before it is in memory.
      maxPayload: 2 * limits.maxLine,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_CHUNKS,
      // What is not UTF-8 is answered (errno 10), too.
      skipUTF8Validation: true,
    });
  }

  /** Completes the handshake. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, address: string): void {
    this.#server.handleUpgrade(request, socket, Buffer.from(head), (made) => this.#serve(made as ServedSocket, socket, address));
  }

  #serve(socket: ServedSocket, stream: Duplex, address: string): void {
    const connection = new Connection(new WebSocketTransport(socket, stream, address), this.#limits.sendQueue);
    const frames: Frame[] = [];
    let running: Promise<void> | undefined;
    let paused = false;
    const handle = async () => {
      for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
        if (paused && frames.length < FRAMES_AHEAD) {
          paused = false;
          socket.resume();
        }
        await this.#handle(connection, frame);
      }
      running = undefined;
    };
    socket.on("message", (data: RawData, isBinary: boolean) => {
      connection.hear();
      if (connection.ending) return;
      frames.push({ bytes: data as Uint8Array, isBinary });
      if (frames.length >= FRAMES_AHEAD && !paused) {
        paused = true;
        socket.pause();
      }
      running ??= handle();
    });
    socket.on("ping", () => connection.hear());
    socket.on("pong", () => connection.hear());
    let fault: "too long" | "framing" | undefined;
    socket.on("error", (error: Error & { code?: string }) => {
      if (!socket.closing) return connection.destroy("reset");
      fault = error.code === TOO_LONG ? "too long" : "framing";
    });
    socket.onClosing = async () => {
      if (!fault) connection.endInput();
      await running;
      if (!fault) await this.#handler.end(connection);
      else if (!connection.ending) this.#handler.fault(connection, fault);
    };
    socket.on("close", () => {
      if (socket.closing || connection.ending) connection.endInput();
      else connection.destroy("reset");
    });
    this.#handler.opened(connection);
  }

  async #handle(connection: Connection, { bytes, isBinary }: Frame): Promise<void> {
    const text = isBinary ? undefined : decodeUtf8(bytes);
    if (text === undefined || lengthWithoutEnd(bytes) > this.#limits.maxLine) {
      if (!connection.ending) this.#handler.fault(connection, text === undefined ? "not UTF-8" : "too long");
      return;
    }
    let handled = 0;
    for (const line of text.split(/\r?\n|\0/)) {
      if (connection.ending) return;
      if (connection.congested) await connection.drained();
      if (handled++ % LINES_OF_TURN === 0 && spent()) await laterTurn();
      const busy = this.#handler.line(connection, line);
      if (busy) await busy;
    }
  }
}

interface Frame {
  bytes: Uint8Array;
  isBinary: boolean;
}

/** The bytes of a frame that are not the end of its last line. */
function lengthWithoutEnd(bytes: Uint8Array): number {
  const last = bytes.length - 1;
  if (bytes[last] !== LF && bytes[last] !== 0) return bytes.length;
  return bytes[last - 1] === CR ? last - 1 : last;
}
