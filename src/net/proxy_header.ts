/**
 * The PROXY header, with which a balancer says on whose behalf it connects, before all else: version 1, a line of text, or 2, which is binary. Believed only from
 * `--trusted-proxy`. (The format is HAProxy's "The PROXY protocol", sections 2.1 and 2.2.)
 */
import { usualIp } from "../ip.ts";

/** How long a trusted proxy may take for its header (ms). */
export const PROXY_HEADER_MS = 3000;

/** Most bytes of a header of version 1, with its CRLF; and of version 2, which has room for what its proxy wants to add. */
const MAX_LINE = 107, MAX_BINARY = 4096;
const LF = 10, CR = 13;

/** How a header of version 2 begins. */
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/** Bytes before its addresses, the length of the rest among them. */
const FIXED = 16;
/** What version 2 writes for the families of addresses, and the bytes of the addresses and ports of two ends. */
const INET = 1, INET6 = 2, INET_BYTES = 12, INET6_BYTES = 36;

/** A header. */
export interface ProxyHeader {
  /** For whom it is; undefined if the balancer does not know it, or asks on its own behalf. */
  address: string | undefined;
  /** How many bytes it has. */
  length: number;
}

/**
 * Looks for a header at the beginning of what has come.
 *
 * @returns undefined: it is not whole yet; "none": it is none
 */
export function findProxyHeader(bytes: Uint8Array): ProxyHeader | "none" | undefined {
  const signed = SIGNATURE.slice(0, bytes.length).every((byte, i) => byte === bytes[i]);
  return signed ? findBinary(bytes) : findLine(bytes);
}

/** Version 1. */
function findLine(bytes: Uint8Array): ProxyHeader | "none" | undefined {
  const end = bytes.subarray(0, MAX_LINE).indexOf(LF);
  if (end < 0) return bytes.length < MAX_LINE ? undefined : "none";
  if (end < 1 || bytes[end - 1] !== CR) return "none";
  const line = new TextDecoder("latin1").decode(bytes.subarray(0, end - 1));
  const length = end + 1;
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { address: undefined, length };
  const [, family, ...ends] = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? [];
  if (family === undefined || ends.slice(0, 2).some((end) => end.includes(":") !== (family === "6"))) return "none";
  const [source, destination] = ends.slice(0, 2).map(usualIp);
  return source === undefined || destination === undefined ? "none" : { address: source, length };
}

/** Version 2. */
function findBinary(bytes: Uint8Array): ProxyHeader | "none" | undefined {
  if (bytes.length < FIXED) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint8(12) >> 4, command = view.getUint8(12) & 15, family = view.getUint8(13) >> 4;
  const rest = view.getUint16(14), length = FIXED + rest;
  if (version !== 2 || command > 1 || length > MAX_BINARY) return "none";
  if (bytes.length < length) return undefined;
  // LOCAL: the balancer itself, to see whether anybody is there.
  if (command === 0 || (family !== INET && family !== INET6)) return { address: undefined, length };
  if (rest < (family === INET ? INET_BYTES : INET6_BYTES)) return "none";
  if (family === INET) return { address: bytes.subarray(FIXED, FIXED + 4).join("."), length };
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(FIXED + 2 * i).toString(16));
  return { address: usualIp(groups.join(":")), length };
}

/** What came first on a connection: for whom it is, and the bytes behind the header. */
export interface Proxied {
  /** For whom it is; undefined if the balancer does not say. */
  address: string | undefined;
  /** What came behind the header. */
  rest: Uint8Array;
}

/**
 * Reads the header.
 *
 * @returns undefined if what comes is no such header, or nothing comes before the end
 */
export async function readProxyHeader(conn: Deno.Conn): Promise<Proxied | undefined> {
  const buffer = new Uint8Array(MAX_BINARY);
  for (let length = 0;;) {
    const n = await conn.read(buffer.subarray(length));
    if (n === null) return undefined;
    length += n;
    const header = findProxyHeader(buffer.subarray(0, length));
    if (header === "none") return undefined;
    if (header) return { address: header.address, rest: buffer.slice(header.length, length) };
  }
}
