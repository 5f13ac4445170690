// A push service of one's own, over TLS: it says what it was sent, as a browser would read it. Who sent it is checked by the signature.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromBase64, toBase64 } from "../../src/push/encryption.ts";
import { eventually } from "./server.ts";
import { first } from "./tls.ts";

const P256 = { name: "ECDH", namedCurve: "P-256" } as const;
const encoder = new TextEncoder();

/** What a browser gives when it subscribes. */
export interface Browser {
  endpoint: string;
  keys: { p256dh: string; auth: string };
  pair: CryptoKeyPair;
}

/** A request, decrypted. */
export interface Pushed {
  /** The last part of the endpoint. */
  name: string;
  headers: Headers;
  /** By which key it was signed. */
  key: string;
  text: string;
  /** How long the body was. */
  length: number;
}

/** What goes into `start`'s overrides, so that it can be reached. */
export const trusting = { push: { caCerts: [first.cert] } };

export class PushService implements AsyncDisposable {
  readonly pushed: Pushed[] = [];
  /** What is answered, by the endpoint's last part; a promise is waited for. By default 201. */
  readonly answers = new Map<string, number | Promise<number>>();
  /** How many requests have come, good or bad. */
  asked = 0;
  readonly #browsers = new Map<string, Browser>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const { cert, key } = first;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen() {} }, (request) => this.#serve(request));
  }

  get origin(): string {
    return `https://localhost:${this.#server.addr.port}`;
  }

  /** A browser subscribes. */
  async browser(name: string): Promise<Browser> {
    const pair = await crypto.subtle.generateKey(P256, true, ["deriveBits"]);
    const p256dh = toBase64(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
    const auth = toBase64(crypto.getRandomValues(new Uint8Array(16)));
    const browser = { endpoint: `${this.origin}/${name}`, keys: { p256dh, auth }, pair };
    this.#browsers.set(name, browser);
    return browser;
  }

  /** What these endpoints were sent, as soon as it is so much. */
  async read(count: number, ...names: string[]): Promise<Record<string, unknown>[]> {
    const here = () => this.pushed.filter(({ name }) => names.length === 0 || names.includes(name));
    await eventually(() => here().length >= count, `${count} pushes`);
    return here().map(({ text }) => JSON.parse(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #serve(request: Request): Promise<Response> {
    this.asked++;
    const name = new URL(request.url).pathname.slice(1);
    const body = await request.bytes();
    const browser = this.#browsers.get(name);
    const status = await this.answers.get(name) ?? 201;
    if (status === 201 && browser) {
      const key = await signer(request.headers.get("authorization")!, this.origin);
      this.pushed.push({ name, headers: request.headers, key, text: await decrypted(body, browser), length: body.length });
    }
    return new Response(null, { status });
  }
}

/** Checks the token of RFC 8292. @returns the key that it is signed by */
async function signer(header: string, origin: string): Promise<string> {
  assertMatch(header, /^vapid t=[\w-]+\.[\w-]+\.[\w-]+, k=[\w-]{87}$/);
  const [, said, claims, signature, key] = /^vapid t=([\w-]+\.([\w-]+))\.([\w-]+), k=([\w-]+)$/.exec(header)! as unknown as string[];
  const { aud, exp } = JSON.parse(new TextDecoder().decode(fromBase64(claims!)));
  assertEquals(aud, origin);
  assert(exp > Date.now() / 1000 && exp <= Date.now() / 1000 + 24 * 3600, "exp");
  const publicKey = await crypto.subtle.importKey("raw", fromBase64(key!), { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  assert(await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, publicKey, fromBase64(signature!), encoder.encode(said)), "the signature");
  return key!;
}

/** What stands in a body of RFC 8291, as the browser whose keys these are reads it. */
export async function decrypted(body: Uint8Array<ArrayBuffer>, { pair, keys: { p256dh, auth } }: Pick<Browser, "pair" | "keys">): Promise<string> {
  const salt = body.slice(0, 16), theirs = body.slice(21, 21 + body[20]!);
  const publicKey = await crypto.subtle.importKey("raw", theirs, P256, false, []);
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: publicKey }, pair.privateKey, 256);
  const info = new Uint8Array([...encoder.encode("WebPush: info\0"), ...fromBase64(p256dh), ...theirs]);
  const key = await hkdf(shared, fromBase64(auth), info, 32);
  const [content, iv] = await Promise.all([
    hkdf(key, salt, encoder.encode("Content-Encoding: aes128gcm\0"), 16),
    hkdf(key, salt, encoder.encode("Content-Encoding: nonce\0"), 12),
  ]);
  const aes = await crypto.subtle.importKey("raw", content, "AES-GCM", false, ["decrypt"]);
  const plain = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, aes, body.slice(21 + body[20]!)));
  const end = plain.findLastIndex((byte) => byte !== 0);
  assertEquals(plain[end], 2, "the last record");
  return new TextDecoder().decode(plain.slice(0, end));
}

async function hkdf(from: ArrayBuffer, salt: Uint8Array<ArrayBuffer>, info: Uint8Array<ArrayBuffer>, bytes: number): Promise<ArrayBuffer> {
  const key = await crypto.subtle.importKey("raw", from, "HKDF", false, ["deriveBits"]);
  return await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, bytes * 8);
}
