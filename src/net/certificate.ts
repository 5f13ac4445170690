/** The certificate of the TLS listeners: read, and checked before it is used. */
import type { KeyObject, X509Certificate } from "node:crypto";
import { ConfigError } from "../config/values.ts";
import { nodeCrypto } from "../node.ts";

/** Certificate chain and private key, as PEM. */
export interface Certificate {
  /** The chain (PEM). */
  cert: string;
  /** The private key (PEM). */
  key: string;
  /** From when and until when it is valid (ms since the epoch). */
  begins: number;
  /** See {@linkcode begins}. */
  ends: number;
}

/** Fewer bits than this no TLS library takes today. */
const RSA_BITS = 2048;

/** What says where they are. */
export interface CertificateFiles {
  /** The chain's file. */
  tlsCert: string | undefined;
  /** The key's file. */
  tlsKey: string | undefined;
}

/**
 * Reads certificate and key, and checks that a handshake works with them: node:tls under Deno takes any text, and only the clients' would fail. Whether it is the
 * time for them is not looked at.
 *
 * @returns undefined if none are asked for
 * @throws {ConfigError} in one line, which names the file
 */
export async function readCertificate({ tlsCert, tlsKey }: CertificateFiles): Promise<Certificate | undefined> {
  if (!tlsCert || !tlsKey) return undefined;
  const cert = await read("--tls-cert", tlsCert);
  const key = await read("--tls-key", tlsKey);
  const leaf = parseChain(cert, tlsCert);
  const privateKey = parseKey(key, tlsKey);
  if (!leaf.checkPrivateKey(privateKey)) throw new ConfigError(`--tls-key: ${tlsKey} is not the key of the first certificate in ${tlsCert}`);
  const { modulusLength = RSA_BITS } = privateKey.asymmetricKeyDetails ?? {};
  if (modulusLength < RSA_BITS) throw new ConfigError(`--tls-key: ${tlsKey} has ${modulusLength} bits, and clients want ${RSA_BITS} of an RSA key`);
  const { tryHandshake } = await import("./try_handshake.ts");
  await tryHandshake({ cert, key }).catch((error) => {
    throw new ConfigError(`--tls-cert: no handshake works with ${tlsCert} and ${tlsKey}: ${oneLine(error)}`);
  });
  return { cert, key, begins: Date.parse(leaf.validFrom), ends: Date.parse(leaf.validTo) };
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, " ");
}

/** Without byte order marks, which some editors write, and of which a chain that was put together has one in its midst: TLS takes no PEM behind one. */
async function read(flag: string, path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).replaceAll("\ufeff", "");
  } catch (error) {
    throw new ConfigError(`${flag}: cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** @returns the server's own certificate, which is the first; a file that was cut off while it was written has one without an end */
function parseChain(cert: string, path: string): X509Certificate {
  const chain = cert.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const begun = cert.split("-----BEGIN CERTIFICATE-----").length - 1;
  try {
    const [leaf] = chain.map((pem) => new (nodeCrypto().X509Certificate)(pem));
    if (leaf && chain.length === begun) return leaf;
  } catch {
    // What stands between the lines is none.
  }
  throw new ConfigError(`--tls-cert: ${path} holds no certificate chain in PEM`);
}

function parseKey(key: string, path: string): KeyObject {
  try {
    return nodeCrypto().createPrivateKey(key);
  } catch {
    throw new ConfigError(`--tls-key: ${path} holds no private key in PEM, or one with a password`);
  }
}
