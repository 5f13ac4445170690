/** What is asked over HTTP, and what is answered, for those who answer: they need not load what carries it. */
import type { IncomingHttpHeaders } from "node:http";

/** What is asked. */
export interface HttpRequest {
  /** In capital letters. A HEAD is told as GET: what carries the answer leaves its body out. */
  readonly method: string;
  /** The path, without the query. */
  readonly path: string;
  /** The query. */
  readonly query: URLSearchParams;
  /** By their names in small letters. */
  readonly headers: IncomingHttpHeaders;
  /** Whose it is: the peer's address, or the one that trusted proxies vouch for. */
  readonly address: string;
  /** It comes from this machine itself, not through a proxy. */
  readonly local: boolean;
  /** Bytes of its body; undefined: one comes, and does not say how long it is. */
  readonly length: number | undefined;
  /**
   * Its body, which has a length: the client is told to send it, and has time for it in proportion. To be called once, and read to its end; the connection of one
   * that is not ends with the answer, and so does that of a long one. Throws {@linkcode Overloaded}.
   *
   * @param buffer where the next bytes are to stand
   * @returns the buffers, as they are full, and what stands in the last one
   */
  body(buffer: () => Promise<Bytes>): AsyncIterable<Bytes>;
}

/** Bytes that may be handed to whoever fills, writes or frees them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What is answered. */
export interface Answer {
  /** The HTTP status. */
  readonly status: number;
  /** The content type. */
  readonly type: string;
  /** What it says, whole, or to be read while it is sent: its length is told, if it is known. */
  readonly body: string | Uint8Array | Streamed;
  /** Further headers. With an `etag`, whoever has the body already is told so (304). */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A body that is not in memory. */
export interface Streamed {
  /** Bytes; undefined: nobody knows yet. */
  readonly length: number | undefined;
  /** Gives them, if they are wanted, a piece at a time; each is sent before the next is asked for. May throw {@linkcode BrokenOff}. */
  read(): AsyncIterable<Uint8Array>;
}

/** Too many are sending or being sent something large. */
export class Overloaded extends Error {
  /** By which it is told from other errors. */
  override name = "Overloaded";
}

/** What an answer breaks off with that is no defect: its client is gone, or may not have the rest any more. The log says so at debug. */
export class BrokenOff extends Error {
  /** By which it is told from other errors. */
  override name = "BrokenOff";
}

/** A plain answer. */
export function text(status: number, body: string, headers: Answer["headers"] = {}): Answer {
  return { status, type: "text/plain; charset=utf-8", body: body + "\n", headers };
}

/** An answer for programs. */
export function json(status: number, body: object): Answer {
  return { status, type: "application/json", body: JSON.stringify(body) + "\n" };
}
