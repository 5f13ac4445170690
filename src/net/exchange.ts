/** What is asked over HTTP, and what is answered, for those who answer: they need not load what carries it. */
import type { IncomingHttpHeaders } from "node:http";

/** What is asked. */
export interface HttpRequest {
  /** In capital letters. A HEAD is told as GET: what carries the answer leaves its body out. */
  readonly method: string;
  /** The path, without the query. */
  readonly path: string;
  /** By their names in small letters. */
  readonly headers: IncomingHttpHeaders;
  /** Whose it is: the peer's address, or the one that trusted proxies vouch for. */
  readonly address: string;
  /** It comes from this machine itself, not through a proxy. */
  readonly local: boolean;
}

/** What is answered. */
export interface Answer {
  /** The HTTP status. */
  readonly status: number;
  /** The content type. */
  readonly type: string;
  /** What it says, whole: its length is told. */
  readonly body: string | Uint8Array;
  /** Further headers. With an `etag`, whoever has the body already is told so (304). */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A plain answer. */
export function text(status: number, body: string, headers: Answer["headers"] = {}): Answer {
  return { status, type: "text/plain; charset=utf-8", body: body + "\n", headers };
}
