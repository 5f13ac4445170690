/** Password hashes as PHC strings: `$argon2id$v=19$m=47104,t=1,p=1$SALT$HASH` and `$scrypt$ln=17,r=8,p=1$SALT$HASH`. */

import { nodeCrypto } from "../node.ts";

/** The cost of one hash: `m` KiB of memory, `t` passes, `p` lanes; or `ln` (log2 of N), `r`, `p`. */
export type Figures =
  | { algorithm: "argon2id"; m: number; t: number; p: number }
  | { algorithm: "scrypt"; ln: number; r: number; p: number };

/** A PHC string taken apart. */
export interface Phc {
  /** What the hash cost. */
  figures: Figures;
  /** Its salt. */
  salt: Uint8Array;
  /** The hash itself. */
  hash: Uint8Array;
}

/** A hash that this runtime cannot check: of another algorithm, or Argon2id where WebCrypto does not have it. */
export class UnsupportedHash extends Error {
  /** By which it is told from other errors. */
  override name = "UnsupportedHash";
}

/** Takes a PHC string apart. @throws {UnsupportedHash} if it is none of the two forms. The message does not repeat it. */
export function parsePhc(text: string): Phc {
  const argon = /^\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,4}),p=(\d{1,3})\$([^$]+)\$([^$]+)$/.exec(text);
  if (argon) {
    const [, m, t, p, salt, hash] = argon;
    return { figures: { algorithm: "argon2id", m: Number(m), t: Number(t), p: Number(p) }, salt: decode(salt), hash: decode(hash) };
  }
  const found = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([^$]+)\$([^$]+)$/.exec(text);
  if (found) {
    const [, ln, r, p, salt, hash] = found;
    return { figures: { algorithm: "scrypt", ln: Number(ln), r: Number(r), p: Number(p) }, salt: decode(salt), hash: decode(hash) };
  }
  throw new UnsupportedHash("a password hash is neither Argon2id (version 19) nor scrypt in PHC form");
}

/** The opposite of {@linkcode parsePhc}. */
export function formatPhc({ figures, salt, hash }: Phc): string {
  const cost = figures.algorithm === "argon2id"
    ? `v=19$m=${figures.m},t=${figures.t},p=${figures.p}`
    : `ln=${figures.ln},r=${figures.r},p=${figures.p}`;
  return `$${figures.algorithm}$${cost}$${encode(salt)}$${encode(hash)}`;
}

/** Hashes in another thread; the event loop stays free. */
export function derive(password: string, figures: Figures, salt: Uint8Array, length: number): Promise<Uint8Array> {
  return figures.algorithm === "argon2id" ? deriveArgon2id(password, figures, salt, length) : deriveScrypt(password, figures, salt, length);
}

/** WebCrypto as far as Argon2id goes; TypeScript's own declarations do not have it everywhere. */
interface Argon2Crypto {
  importKey(format: "raw-secret", secret: Uint8Array, algorithm: "Argon2id", extractable: false, usages: ["deriveBits"]): Promise<CryptoKey>;
  deriveBits(
    algorithm: { name: "Argon2id"; nonce: Uint8Array; memory: number; passes: number; parallelism: number },
    key: CryptoKey,
    bits: number,
  ): Promise<ArrayBuffer>;
}

const subtle = crypto.subtle as unknown as Argon2Crypto;

/** Whether this runtime has Argon2id (Deno 2.9 has, 2.7 has not). */
export const hasArgon2id: Promise<boolean> = importSecret("").then(() => true, () => false);

function importSecret(password: string): Promise<CryptoKey> {
  return subtle.importKey("raw-secret", new TextEncoder().encode(password), "Argon2id", false, ["deriveBits"]);
}

async function deriveArgon2id(password: string, { m, t, p }: Figures & { algorithm: "argon2id" }, salt: Uint8Array, length: number) {
  if (!await hasArgon2id) throw new UnsupportedHash("this runtime does not have Argon2id; Deno 2.9 and later do");
  const key = await importSecret(password);
  return new Uint8Array(await subtle.deriveBits({ name: "Argon2id", nonce: salt, memory: m, passes: t, parallelism: p }, key, length * 8));
}

function deriveScrypt(password: string, { ln, r, p }: Figures & { algorithm: "scrypt" }, salt: Uint8Array, length: number): Promise<Uint8Array> {
  const N = 2 ** ln;
  // What scrypt takes is 128 * N * r; it refuses to take as much as it may.
  const options = { N, r, p, maxmem: 128 * r * (N + p + 2) + 1024 };
  return new Promise((resolve, reject) =>
    nodeCrypto().scrypt(password, salt, length, options, (error, hash) => error ? reject(error) : resolve(hash))
  );
}

function encode(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true });
}

function decode(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    throw new UnsupportedHash("a password hash is not proper base64");
  }
}
