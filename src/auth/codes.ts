/** Codes of invitations. Whoever has one may come in; the database holds only their hashes. */

import { nodeCrypto } from "../node.ts";

/** A fresh code: 16 random bytes in base64url, 22 characters. None begins with a dash, which would make it a flag where it is typed. */
export function newCode(): string {
  const code = nodeCrypto().randomBytes(16).toString("base64url");
  return code.startsWith("-") ? newCode() : code;
}

/** The SHA-256 of a code; undefined if it does not even look like one. */
export function hashCode(code: string): Uint8Array | undefined {
  return /^[A-Za-z0-9_-]{22}$/.test(code) ? nodeCrypto().createHash("sha256").update(code).digest() : undefined;
}
