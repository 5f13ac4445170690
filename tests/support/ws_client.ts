// A bare WebSocket client for tests, on npm's `ws`: it can do what a browser's cannot (any Origin, binary frames, fragments, PING, stop reading).

import { Buffer } from "node:buffer";
// @ts-types="npm:@types/ws@^8.18.2"
import WebSocket from "ws";
import type { Message } from "./raw_client.ts";

/** How a handshake is made. */
export interface WsOptions {
  origin?: string;
  headers?: Record<string, string>;
  /** Certificates that are believed. */
  ca?: string[];
}

/** What {@linkcode WsClient.next} waits at most (ms). */
const PATIENCE = 30_000;

/** A WebSocket that does only what it is told, but for PONG. */
export class WsClient implements AsyncDisposable {
  /** Messages received and not taken yet. */
  readonly backlog: Message[] = [];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  #waiters: { matches: (message: Message) => boolean; resolve: (message: Message) => void; reject: (error: Error) => void }[] = [];
  #lastRef = 0;

  private constructor(readonly socket: WebSocket) {
    socket.on("message", (data) => this.#read(String(data)));
    socket.on("error", () => {});
    this.closed = new Promise((resolve) =>
      socket.on("close", (code) => {
        for (const { reject } of this.#waiters) reject(new Error(`The WebSocket was closed (${code})`));
        resolve(code);
      })
    );
  }

  /** Connects. Rejects with an Error that has the HTTP status in it if it is refused. */
  static connect(url: string, options: WsOptions = {}): Promise<WsClient> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { ...options, perMessageDeflate: false });
      const client = new WsClient(socket);
      socket.once("open", () => resolve(client));
      socket.once("error", reject);
    });
  }

  /** Sends one message in a frame of its own. */
  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Takes the first message that `matches`, from the backlog or as it comes. */
  next(matches: (message: Message) => boolean = () => true): Promise<Message> {
    const index = this.backlog.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.backlog.splice(index, 1)[0]);
    if (this.socket.readyState === WebSocket.CLOSED) return Promise.reject(new Error("The WebSocket is closed"));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiter.reject(new Error(`Nothing of that kind within ${PATIENCE} ms`)), PATIENCE);
      const done = () => {
        clearTimeout(timer);
        this.#waiters = this.#waiters.filter((w) => w !== waiter);
      };
      const waiter = {
        matches,
        resolve: (message: Message) => (done(), resolve(message)),
        reject: (error: Error) => (done(), reject(error)),
      };
      this.#waiters.push(waiter);
    });
  }

  /** Sends `message` with a `ref` of its own and takes its answer. */
  request(message: object): Promise<Message> {
    const ref = `ws${++this.#lastRef}`;
    this.send({ ...message, ref });
    return this.next((m) => m.ref === ref);
  }

  /** Sends a frame in pieces. */
  fragments(pieces: string[]): void {
    pieces.forEach((piece, i) => this.socket.send(piece, { fin: i === pieces.length - 1, binary: false }));
  }

  /** Resolves with what comes back in a PONG. */
  ping(data: string): Promise<string> {
    return new Promise((resolve) => {
      this.socket.once("pong", (back: Uint8Array) => resolve(Buffer.from(back).toString()));
      this.socket.ping(data);
    });
  }

  /** Is gone without a word. */
  async terminate(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.terminate();
  }

  #read(frame: string): void {
    for (const line of frame.split("\n").filter((l) => l !== "")) {
      const message = JSON.parse(line) as Message;
      const waiter = this.#waiters.find((w) => w.matches(message));
      if (waiter) waiter.resolve(message);
      else this.backlog.push(message);
    }
  }
}
