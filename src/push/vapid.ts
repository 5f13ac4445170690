/** Who pushes: a token that is signed, by which a push service knows that it is always the same server (VAPID, RFC 8292). */
import type { PushKey } from "../store/push.ts";
import { toBase64 } from "./encryption.ts";

const ES256 = { name: "ECDSA", namedCurve: "P-256" } as const;
/** How long a token is good (s), of at most 24 hours; and for how long it is used (ms). */
const GOOD_S = 12 * 3600, USED_MS = 6 * 3600_000;
/** For so many push services a token is remembered. */
const MOST_SERVICES = 1000;

const encoder = new TextEncoder();

/** Makes a pair of keys. */
export async function newPushKey(): Promise<PushKey> {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(ES256, true, ["sign", "verify"]);
  return {
    publicKey: toBase64(new Uint8Array(await crypto.subtle.exportKey("raw", publicKey))),
    privateKey: JSON.stringify(await crypto.subtle.exportKey("jwk", privateKey)),
  };
}

/** Signs what is sent to push services. */
export class Vapid {
  readonly #publicKey: string;
  readonly #contact: string | undefined;
  readonly #key: Promise<CryptoKey>;
  readonly #remembered = new Map<string, { header: Promise<string>; until: number }>();

  /** `contact`: an https URL by which a push service finds whoever runs this server; undefined: there is none. */
  constructor({ publicKey, privateKey }: PushKey, contact: string | undefined) {
    this.#publicKey = publicKey;
    this.#contact = contact;
    this.#key = crypto.subtle.importKey("jwk", JSON.parse(privateKey), ES256, false, ["sign"]);
    this.#key.catch(() => {});
  }

  /** The header `Authorization` for a push service of that origin. */
  async header(origin: string): Promise<string> {
    const now = Date.now();
    const known = this.#remembered.get(origin);
    if (known && known.until > now && known.until <= now + USED_MS) return await known.header;
    if (this.#remembered.size >= MOST_SERVICES) this.#remembered.clear();
    const header = this.#sign({ aud: origin, exp: Math.floor(now / 1000) + GOOD_S, ...this.#contact === undefined ? {} : { sub: this.#contact } });
    this.#remembered.set(origin, { header, until: now + USED_MS });
    return await header;
  }

  async #sign(claims: object): Promise<string> {
    const said = [{ typ: "JWT", alg: "ES256" }, claims].map((part) => toBase64(encoder.encode(JSON.stringify(part)))).join(".");
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, await this.#key, encoder.encode(said));
    return `vapid t=${said}.${toBase64(new Uint8Array(signature))}, k=${this.#publicKey}`;
  }
}
