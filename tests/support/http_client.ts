// A bare HTTP client: it sends the bytes that it is given, and takes answers apart, one after the other on one connection.

import { Buffer } from "node:buffer";
import net from "node:net";
import type { TestServer } from "./server.ts";

/** One answer. As a string it is its body. */
export interface HttpAnswer {
  status: number;
  headers: Record<string, string | undefined>;
  body: Uint8Array;
  toString(): string;
}

/** A request without a body. */
export const get = (path: string, ...headers: string[]) => [`GET ${path} HTTP/1.1`, "host: x", ...headers, "", ""].join("\r\n");

/** Where a server of a test is reached over HTTP. */
export function portOf(server: TestServer): number {
  return server.server.addresses.http!.port;
}

/** How long it waits for an answer at most (ms). */
const PATIENCE = 30_000;

/** One connection. */
export class HttpClient implements AsyncDisposable {
  /** Resolves when it is closed, whoever did it. */
  readonly ended: Promise<void>;
  #bytes = Buffer.alloc(0);
  #over = false;
  #came: (() => void) | undefined;

  private constructor(readonly socket: net.Socket) {
    this.ended = new Promise((resolve) => socket.once("close", () => resolve()));
    void this.ended.then(() => this.#wake(true));
    socket.on("error", () => {});
    // The server's FIN ends it.
    socket.on("end", () => socket.end());
    socket.on("data", (chunk: Uint8Array) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake(false);
    });
  }

  static connect(port: number): Promise<HttpClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true } as net.NetConnectOpts, () => {
        socket.off("error", reject);
        resolve(new HttpClient(socket));
      });
      socket.once("error", reject);
    });
  }

  /** Bytes that came and belong to no answer that was taken. */
  get unread(): number {
    return this.#bytes.length;
  }

  write(bytes: string): void {
    this.socket.write(bytes);
  }

  /** The next answer, by its Content-Length. Throws an Error if the connection ends before. @param bodyless it answers a HEAD, or is a 304 */
  async answer(bodyless = false): Promise<HttpAnswer> {
    await this.#until(() => this.#bytes.indexOf("\r\n\r\n") >= 0);
    const end = this.#bytes.indexOf("\r\n\r\n");
    const [first = "", ...lines] = this.#bytes.subarray(0, end).toString("latin1").split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const begin = end + 4, length = bodyless ? 0 : Number(headers["content-length"]);
    await this.#until(() => this.#bytes.length >= begin + length);
    const body = new Uint8Array(this.#bytes.subarray(begin, begin + length));
    this.#bytes = this.#bytes.subarray(begin + length);
    return { status: Number(first.split(" ")[1]), headers, body, toString: () => new TextDecoder().decode(body) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.ended;
  }

  async #until(holds: () => boolean): Promise<void> {
    const late = setTimeout(() => this.socket.destroy(), PATIENCE);
    try {
      while (!holds()) {
        if (this.#over) throw new Error(`the connection ended with ${this.#bytes.length} bytes of an answer`);
        await new Promise<void>((resolve) => this.#came = resolve);
      }
    } finally {
      clearTimeout(late);
    }
  }

  #wake(over: boolean): void {
    this.#over ||= over;
    this.#came?.();
  }
}
