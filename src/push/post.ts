/** One request to a push service: over a connection of its own, to an address that was checked; `fetch` would look the name up by itself. */
import { addressOf } from "./address.ts";

/** What is looked at of an answer (bytes): its first line and its headers. */
const MOST_HEAD = 16 * 1024;

/** How requests are made. */
export interface Posting {
  /** Private addresses are as good as public ones. */
  any: boolean;
  /** Certificates (PEM) that are believed beside the known ones. */
  caCerts?: string[];
  /** How long all of it may take (ms). */
  timeout: number;
  /** Ends all of it at once. */
  stop: AbortSignal;
}

/** What a push service answered. */
export interface Answered {
  /** Such as 201. */
  status: number;
  /** After how long it wants to be asked again (s). */
  retryAfter: number | undefined;
}

/** Posts a body. Rejects if there is no answer in time; it follows no redirection. */
export async function post(
  endpoint: string,
  headers: Record<string, string>,
  body: Uint8Array,
  { any, caCerts, timeout, stop }: Posting,
): Promise<Answered> {
  const { hostname, host, port, pathname, search } = new URL(endpoint);
  const name = hostname.replace(/^\[|\]$/g, "");
  const signal = AbortSignal.any([AbortSignal.timeout(timeout), stop]);
  const address = await abortable(addressOf(name, any), signal);
  const tcp = await Deno.connect({ hostname: address, port: Number(port || 443), signal });
  let connection: Deno.Conn = tcp;
  const cut = () => {
    try {
      connection.close();
    } catch {
      // It is closed, or handed over to TLS this moment.
    }
  };
  signal.addEventListener("abort", cut);
  try {
    const lines = Object.entries({ Host: host, ...headers, "Content-Length": String(body.length), Connection: "close" });
    const head = [`POST ${pathname}${search} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`)].join("\r\n");
    connection = await Deno.startTls(tcp, { hostname: name, ...caCerts ? { caCerts } : {} });
    // Nothing could be cut while it was handed over.
    signal.throwIfAborted();
    await writeAll(connection, new TextEncoder().encode(head + "\r\n\r\n"));
    await writeAll(connection, body);
    return answerOf(await readHead(connection));
  } catch (error) {
    throw signal.aborted ? new Error(`no answer within ${timeout} ms`) : error;
  } finally {
    signal.removeEventListener("abort", cut);
    cut();
  }
}

/** The first line and the headers. */
async function readHead(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const count = await connection.read(buffer);
    if (count === null || text.length > MOST_HEAD) throw new Error("the answer is not one of HTTP");
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text.slice(0, text.indexOf("\r\n\r\n"));
}

function answerOf(head: string): Answered {
  const [, status] = /^HTTP\/1\.[01] (\d{3})\b/.exec(head) ?? [];
  if (status === undefined) throw new Error("the answer is not one of HTTP");
  const [, seconds] = /^retry-after:\s*(\d{1,6})\s*$/im.exec(head) ?? [];
  return { status: Number(status), retryAfter: seconds === undefined ? undefined : Number(seconds) };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(new Error("no answer from the name server in time"));
  signal.addEventListener("abort", abort);
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}
