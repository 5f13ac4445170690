/** What HTTP answers, for those who say it: they need not load what sends it. */

/** What answers a GET. */
export interface Answer {
  /** The HTTP status. */
  status: number;
  /** The content type. */
  type: string;
  /** What it says. */
  body: string | Uint8Array;
  /** Further headers. With an `etag`, whoever has the body already is told so (304). */
  headers?: Readonly<Record<string, string>>;
}

/** A plain answer. */
export function text(status: number, body: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: body + "\n" };
}
