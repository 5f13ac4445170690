/** What is pushed, encrypted for one browser, so that its push service cannot read it: RFC 8291, by the content coding aes128gcm of RFC 8188, in one record. */

/** A push service need take no more (bytes; RFC 8291, section 4). */
const MOST = 4096;
/** Before the text: salt (16), size of a record (4), length of a key (1), key (65). Behind it: the end of the text (1), and a tag (16). */
const RECORD_AROUND = 16 + 4 + 1 + 65 + 1 + 16;
/** Most bytes of a text. */
export const MOST_PUSHED: number = MOST - RECORD_AROUND;
/** Texts are filled up to a multiple of so many bytes: how long they are is nobody's business. */
const STEP = 256;

const P256 = { name: "ECDH", namedCurve: "P-256" } as const;
const encoder = new TextEncoder();

/** What the random parts are, in a test. */
export interface Chosen {
  /** 16 bytes. */
  salt: Uint8Array<ArrayBuffer>;
  /** A pair of keys for this one message. */
  keys: CryptoKeyPair;
  /** Nothing is filled up. */
  exact?: boolean;
}

/** Bytes of base64url. Throws an Error if it is none. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}

/** Bytes as base64url. */
export function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Whether a message can be encrypted by these: a point of P-256, and 16 bytes. */
export async function areKeys(p256dh: string, auth: string): Promise<boolean> {
  try {
    // Whether a point is on the curve is looked at when it is used.
    await encrypted("", { p256dh, auth });
    return fromBase64(auth).length === 16;
  } catch {
    return false;
  }
}

/** Encrypts a text of at most {@linkcode MOST_PUSHED} bytes. Rejects if the keys are none ({@linkcode areKeys}). */
export async function encrypted(text: string, { p256dh, auth }: { p256dh: string; auth: string }, chosen?: Chosen): Promise<Uint8Array<ArrayBuffer>> {
  const salt = chosen?.salt ?? crypto.getRandomValues(new Uint8Array(16));
  const keys = chosen?.keys ?? await crypto.subtle.generateKey(P256, true, ["deriveBits"]);
  const theirs = fromBase64(p256dh), ours = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
  const shared = await crypto.subtle.deriveBits(
    { name: "ECDH", public: await crypto.subtle.importKey("raw", theirs, P256, false, []) },
    keys.privateKey,
    256,
  );
  const key = await derived(new Uint8Array(shared), fromBase64(auth), joined(encoder.encode("WebPush: info\0"), theirs, ours), 32);
  const content = await derived(key, salt, encoder.encode("Content-Encoding: aes128gcm\0"), 16);
  const nonce = await derived(key, salt, encoder.encode("Content-Encoding: nonce\0"), 12);
  const plain = encoder.encode(text);
  const length = chosen?.exact ? plain.length : Math.min(MOST_PUSHED, Math.ceil(plain.length / STEP) * STEP);
  // 2: this record is the last one.
  const filled = joined(plain, [2], new Uint8Array(length - plain.length));
  const aes = await crypto.subtle.importKey("raw", content, "AES-GCM", false, ["encrypt"]);
  const record = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, aes, filled);
  return joined(salt, [0, 0, MOST >> 8, MOST & 255, ours.length], ours, new Uint8Array(record));
}

async function derived(
  from: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  info: Uint8Array<ArrayBuffer>,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey("raw", from, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, bytes * 8));
}

function joined(...parts: (Uint8Array | number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}
