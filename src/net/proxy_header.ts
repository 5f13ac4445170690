/**
 * The PROXY header, version 1: one line with which a balancer says on whose behalf it connects, before all else. Believed only from `--trusted-proxy`.
 * (The format is HAProxy's "The PROXY protocol", section 2.1.)
 */

/** Most bytes of the line, with its CRLF. */
const MAX_HEADER = 107;
const LF = 10, CR = 13;

/** What came first on a connection: for whom it is, and the bytes behind the header. */
export interface Proxied {
  /** The client's address. */
  address: string;
  /** What came behind the header. */
  rest: Uint8Array;
}

/**
 * Reads the header.
 *
 * @returns undefined if what comes is no such header, or nothing comes before the end
 */
export async function readProxyHeader(conn: Deno.Conn): Promise<Proxied | undefined> {
  const buffer = new Uint8Array(1024);
  let length = 0;
  for (;;) {
    const n = await conn.read(buffer.subarray(length));
    if (n === null) return undefined;
    length += n;
    const end = buffer.subarray(0, Math.min(length, MAX_HEADER)).indexOf(LF);
    if (end < 0 && length < MAX_HEADER) continue;
    if (end < 1 || buffer[end - 1] !== CR) return undefined;
    const address = parseProxyHeader(new TextDecoder("latin1").decode(buffer.subarray(0, end - 1)));
    return address === undefined
      ? undefined
      : { address: address || (conn.remoteAddr as Deno.NetAddr).hostname, rest: buffer.slice(end + 1, length) };
  }
}

/** Takes a PROXY header (version 1) apart. @returns the source address; "" if the balancer does not know it (or asks on its own behalf); undefined if this is no PROXY header */
export function parseProxyHeader(line: string): string | undefined {
  if (/^PROXY UNKNOWN( |$)/.test(line)) return "";
  const match = /^PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]{2,39}) ([0-9A-Fa-f.:]{2,39}) (\d{1,5}) (\d{1,5})$/.exec(line);
  if (!match) return undefined;
  const [, family, source] = match;
  return (family === "TCP6") === source!.includes(":") ? source!.toLowerCase() : undefined;
}
