/** Tokens, by which a client comes back without its password. The database holds only their hashes. */

import { nodeCrypto } from "../node.ts";

/** A fresh token: 32 random bytes in base64url, 43 characters. */
export function newToken(): string {
  return nodeCrypto().randomBytes(32).toString("base64url");
}

/** The SHA-256 of a token; undefined if it does not even look like one. */
export function hashToken(token: string): Uint8Array | undefined {
  return /^[A-Za-z0-9_-]{43}$/.test(token) ? nodeCrypto().createHash("sha256").update(token).digest() : undefined;
}
