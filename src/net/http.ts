/** HTTP: the page, `/ws`, and what a monitoring system asks. A connection is a visitor's (visitors.ts) until it is a WebSocket. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Address } from "../config/config.ts";
import { Acceptor } from "./accept.ts";
import { type Answer, text } from "./answer.ts";
import type { Certificate } from "./certificate.ts";
import { listen, plainAddress } from "./listen.ts";
import { acceptForTls, NodeStream } from "./node_stream.ts";
import { Handshakes } from "./tls.ts";
import { type VisitorLimits, Visitors } from "./visitors.ts";

export type { VisitorLimits };

/** What the server gives to HTTP. */
export interface Routes {
  /** The answer to a GET of this path; undefined: 404. */
  get(path: string, address: string): Answer | undefined | Promise<Answer | undefined>;
  /** A WebSocket wants in, and its Origin is fine. Without this there are none. */
  webSocket?(request: IncomingMessage, socket: Duplex, head: Uint8Array, address: string): void;
}

/** Most bytes of a request's head. */
const MAX_HEAD = 16_384;

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    // The browser itself refuses to make HTML out of a string.
    "require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

/** How an {@linkcode Http} is made. */
export interface HttpOptions extends Omit<VisitorLimits, "exempt"> {
  /** Origins other than the page's own whose WebSockets are let in. */
  allowOrigin: readonly string[];
  /** Addresses whose `X-Forwarded-For` is believed. */
  trustedProxy: readonly string[];
}

/** An HTTP or HTTPS listener. */
export class Http {
  readonly #server: Server;
  readonly #handshakes: Handshakes | undefined;
  readonly #routes: Routes;
  readonly #allowOrigin: ReadonlySet<string>;
  readonly #trusted: ReadonlySet<string>;
  readonly #visitors: Visitors;
  #acceptor: Pick<Acceptor, "address" | "close"> | undefined;

  private constructor(certificate: Certificate | undefined, options: HttpOptions, routes: Routes) {
    this.#routes = routes;
    this.#allowOrigin = new Set(options.allowOrigin);
    this.#trusted = new Set(options.trustedProxy);
    this.#visitors = new Visitors({ ...options, exempt: this.#trusted });
    this.#handshakes = certificate && new Handshakes(certificate);
    this.#server = createServer({ maxHeaderSize: MAX_HEAD });
    this.#server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.#visitors.asked(request.socket);
      response.on("close", () => this.#visitors.answered(request.socket));
      void this.#request(request, response);
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Uint8Array) => this.#upgrade(request, socket, head));
    this.#server.on("clientError", (_error: Error, socket: Duplex) => socket.destroy());
  }

  /** Listens. Throws {@linkcode ListenError}. With a certificate it is HTTPS. */
  static async listen(address: Address, certificate: Certificate | undefined, options: HttpOptions, routes: Routes): Promise<Http> {
    const http = new Http(certificate, options, routes);
    http.#acceptor = certificate
      ? await acceptForTls(address, (stream, peer) => http.#secure(stream, peer))
      : new Acceptor(listen(address), (conn, peer) => http.#accepted(new NodeStream(conn, peer), peer));
    return http;
  }

  /** Where it listens, with the port that was picked. */
  get address(): Address {
    return this.#acceptor!.address;
  }

  /** From now on handshakes use this certificate; those connected stay. HTTPS only. */
  renew(certificate: Certificate): void {
    this.#handshakes?.renew(certificate);
  }

  /** Stops listening, and ends what visitors ask. WebSockets are the server's. */
  async close(): Promise<void> {
    await this.#acceptor!.close();
    this.#visitors.close();
  }

  #accepted(stream: NodeStream, peer: string): void {
    if (this.#visitors.arrived(stream, stream, peer)) this.#server.emit("connection", stream);
  }

  #secure(stream: Duplex, peer: string): void {
    const socket = this.#handshakes!.begin(stream, peer, () => this.#server.emit("connection", socket));
    this.#visitors.arrived(socket, stream, peer);
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.#answer(request);
      const { status, type, body, headers } = answer;
      const known = hasAlready(request, headers?.etag);
      response.writeHead(known ? 304 : status, { ...HEADERS, "content-type": type, "cache-control": "no-cache", ...headers });
      response.end(known || request.method === "HEAD" ? undefined : body);
    } catch {
      response.destroy();
    }
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    if (request.method !== "GET" && request.method !== "HEAD") return text(405, "method not allowed");
    const path = (request.url ?? "/").split("?")[0]!;
    return await this.#routes.get(path, this.#addressOf(request)) ?? text(404, "not found");
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    socket.on("error", () => socket.destroy());
    if (!this.#routes.webSocket || (request.url ?? "").split("?")[0] !== "/ws") return refuse(socket, "404 Not Found");
    if (!this.#mayConnect(request)) return refuse(socket, "403 Forbidden");
    this.#visitors.left(request.socket);
    this.#routes.webSocket(request, socket, head, this.#addressOf(request));
  }

  /** Browsers say which page opened the WebSocket: ours, or one that is allowed. Other programs say nothing, and are let in. */
  #mayConnect({ headers: { origin, host } }: IncomingMessage): boolean {
    if (origin === undefined) return true;
    if (this.#allowOrigin.has(origin)) return true;
    return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
  }

  /** Whose request this is: the peer, or, behind trusted proxies, the last address that no trusted one vouches for. */
  #addressOf(request: IncomingMessage): string {
    let address = plainAddress(request.socket.remoteAddress ?? "");
    const forwarded = String(request.headers["x-forwarded-for"] ?? "").split(",").map((a) => a.trim()).filter((a) => a !== "");
    while (this.#trusted.has(address) && forwarded.length > 0) address = plainAddress(forwarded.pop()!);
    return address;
  }
}

/** Whether the client has what this ETag names. A proxy that compresses makes it a weak one. */
function hasAlready({ headers }: IncomingMessage, etag: string | undefined): boolean {
  return etag !== undefined && (headers["if-none-match"] ?? "").split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
