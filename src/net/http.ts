/**
 * HTTP, as far as the transport goes: connections, heads, whose a request is, answers with their lengths. What is served is src/http's, and `/ws` the server's.
 * A connection is a visitor's (visitors.ts) until it is a WebSocket.
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { within } from "../async/within.ts";
import { isLoopback, usualIp } from "../ip.ts";
import type { Limits } from "../ops/limits.ts";
import { log } from "../ops/log.ts";
import { Acceptor } from "./accept.ts";
import { bodyOf, giveBack } from "./body.ts";
import type { Certificate } from "./certificate.ts";
import { type Answer, BrokenOff, type Bytes, type HttpRequest, Overloaded, type Streamed, text } from "./exchange.ts";
import { type Accepted, NodeStream, type TlsPort } from "./node_stream.ts";
import { Handshakes } from "./tls.ts";
import { type VisitorLimits, Visitors } from "./visitors.ts";

export type { VisitorLimits };

/** What the server gives to HTTP. */
export interface Served {
  /** The answer to a request; rejects if there is a defect. */
  answer(request: HttpRequest): Promise<Answer>;
  /** A WebSocket wants in, and its Origin is fine. Without this there are none. */
  webSocket?(request: IncomingMessage, socket: Duplex, head: Uint8Array, address: string): void;
}

/** Most bytes of a request's head. */
const MAX_HEAD = 16_384;
/** Bytes of a body that nobody wants, each so many of which cost as much as a request. */
const UNWANTED = 1024 * 1024;
/** So long after its request comes the answer to one too many (ms): whoever is refused, and asks again at once, is slowed. */
const REFUSED_AFTER = 1000;
/** Shown by what comes through a proxy. */
const FORWARDED = ["x-forwarded-for", "forwarded", "via"];

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    // The browser itself refuses to make HTML out of a string. The one policy there is (web/install.ts) gives the service worker's address and nothing else.
    "require-trusted-types-for 'script'; trusted-types worker",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

const encoder = new TextEncoder();

/** How an {@linkcode Http} is made. */
export interface HttpOptions extends Omit<VisitorLimits, "exempt"> {
  /** Counts connections and requests. */
  limits: Pick<Limits, "connected" | "disconnected" | "httpRequest">;
  /** Origins other than the page's own whose WebSockets are let in. */
  allowOrigin: readonly string[];
  /** Addresses whose `X-Forwarded-For` is believed. */
  trustedProxy: readonly string[];
}

/** An HTTP or HTTPS listener. */
export class Http {
  readonly #server: Server;
  readonly #handshakes: Handshakes | undefined;
  readonly #served: Served;
  readonly #allowOrigin: ReadonlySet<string>;
  readonly #trusted: ReadonlySet<string>;
  readonly #limits: HttpOptions["limits"];
  readonly #visitors: Visitors;
  /** Those whose peer a PROXY header named. */
  readonly #proxied = new WeakSet<Duplex>();
  #acceptor: Pick<Acceptor, "close"> | undefined;

  private constructor(certificate: Certificate | undefined, options: HttpOptions, served: Served) {
    this.#served = served;
    this.#allowOrigin = new Set(options.allowOrigin);
    this.#trusted = new Set(options.trustedProxy);
    this.#limits = options.limits;
    this.#visitors = new Visitors({ ...options, exempt: this.#trusted });
    this.#handshakes = certificate && new Handshakes(certificate);
    // Times are kept by the visitors' book.
    const times = { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 };
    // Whoever offers HTTP/2, or anything but WebSocket, is answered as if it had not.
    const shouldUpgradeCallback = ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === "websocket";
    this.#server = createServer({ maxHeaderSize: MAX_HEAD, ...times, shouldUpgradeCallback } as ServerOptions);
    // It is given its connections, and would take itself for one that is closing, and close them behind their first answer.
    Object.defineProperty(this.#server, "listening", { value: true });
    // What was asked before a FIN is answered.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    const asked = (request: IncomingMessage, response: ServerResponse) => this.#asked(request, response);
    this.#server.on("request", asked);
    // Who waits to be told to go on with a body is told when it is taken.
    this.#server.on("checkContinue", asked);
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Uint8Array) => this.#upgrade(request, socket, head));
    this.#server.on("clientError", (error: Error, socket: Duplex) => this.#broken(error, socket));
  }

  /** HTTP on what comes to a listener, which it takes over. */
  static over(listener: Deno.TcpListener, options: HttpOptions, served: Served): Http {
    const http = new Http(undefined, options, served);
    http.#acceptor = new Acceptor(listener, (conn, peer) => http.#accepted(new NodeStream(conn, peer), peer));
    return http;
  }

  /** HTTPS on what comes to a port, which it takes over. */
  static overTls(port: TlsPort, certificate: Certificate, options: HttpOptions, served: Served): Http {
    const http = new Http(certificate, options, served);
    http.#acceptor = port.accept(http.#trusted, (accepted) => http.#secure(accepted));
    return http;
  }

  /** From now on handshakes use this certificate; those connected stay. HTTPS only. */
  renew(certificate: Certificate): void {
    this.#handshakes?.renew(certificate);
  }

  /** Stops listening; what visitors have asked is answered, if that does not take long. WebSockets are the server's. */
  async close(): Promise<void> {
    await this.#acceptor!.close();
    await this.#visitors.close();
  }

  #accepted(stream: NodeStream, peer: string): void {
    if (this.#visitors.arrived(stream, stream, peer)) this.#server.emit("connection", stream);
  }

  #secure({ stream, peer, proxied }: Accepted): void {
    const socket = this.#handshakes!.begin(stream, peer, () => this.#server.emit("connection", socket));
    // By which node:http would close it behind its last answer, whatever still comes.
    Object.defineProperty(socket, "destroySoon", { value: () => socket.end() });
    if (proxied) this.#proxied.add(socket);
    this.#visitors.arrived(socket, stream, peer);
  }

  #asked(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (!this.#visitors.asked(socket)) return;
    response.on("close", () => this.#visitors.answered(socket));
    void this.#answer(request, response).then((answer) => this.#send(request, response, answer)).catch((error) => {
      if (error instanceof BrokenOff || response.destroyed) log.debug("an HTTP answer broke off", { path: targetOf(request).path, error });
      else log.error("an HTTP answer could not be sent", { error });
      response.destroy();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const { method = "", headers } = request;
    const { path, query } = targetOf(request);
    const { address, local } = this.#whose(request);
    const body = (buffer: () => Promise<Bytes>) => {
      const length = lengthOf(request)!;
      if (!this.#visitors.carries(request.socket, length)) throw new Overloaded();
      if (headers.expect !== undefined) response.writeContinue();
      return bodyOf(request, length, buffer);
    };
    const retry = this.#limits.httpRequest(address);
    if (retry > 0) return text(429, "too many requests", { "retry-after": String(Math.ceil(retry / 1000)), connection: "close" });
    try {
      return await this.#served.answer({
        method: method === "HEAD" ? "GET" : method,
        path,
        query: new URLSearchParams(query),
        // A range is one of a GET (RFC 9110, 14.2).
        headers: method === "HEAD" ? { ...headers, range: undefined } : headers,
        address,
        local,
        length: lengthOf(request),
        body,
      });
    } catch (error) {
      if (error instanceof Overloaded) return overloaded();
      if (request.errored) log.debug("gone before its body was there", { path });
      else log.error("an HTTP request failed", { path, error });
      return text(500, "the server failed");
    }
  }

  async #send(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
    if (answer.status === 429) await within(new Promise<void>((resolve) => void response.once("close", resolve)), REFUSED_AFTER);
    const streamed = isStreamed(answer.body) && request.method !== "HEAD";
    if (streamed && !this.#visitors.carries(request.socket, answer.body.length)) answer = overloaded();
    const { status, type, body, headers } = answer;
    // What nobody takes is not waited for.
    const unread = lengthOf(request) !== 0 && !request.readableEnded;
    if (unread) response.once("close", () => this.#readAway(request));
    const kept = unread || headers?.connection === "close" ? 0 : this.#visitors.keptTime(request.socket);
    if (kept === 0) this.#visitors.end(request.socket);
    const keeping = kept === 0 ? { connection: "close" } : { "keep-alive": `timeout=${Math.floor(kept / 1000)}` };
    const all = { ...HEADERS, "content-type": type, "cache-control": "no-cache", ...headers, ...keeping };
    if (hasAlready(request, headers?.etag)) {
      response.writeHead(304, all).end();
      return;
    }
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    response.writeHead(status, bytes.length === undefined ? all : { ...all, "content-length": bytes.length });
    if (!isStreamed(bytes)) response.end(request.method === "HEAD" ? undefined : bytes);
    else if (request.method === "HEAD") response.end();
    else await pour(bytes, response, (length) => this.#visitors.carries(request.socket, length));
  }

  /**
   * What still comes of a body that nobody wants, behind its answer: a connection that is closed with something unread is reset, and who sends all before it reads
   * may never see the answer (RFC 9112, 9.6). It is paid for as requests are.
   */
  #readAway(request: IncomingMessage): void {
    const { socket } = request as { socket: Duplex };
    const { address } = this.#whose(request);
    // So much the request itself has paid for.
    let paid = UNWANTED;
    // No parser needs to see it.
    socket.removeAllListeners("data");
    socket.on("data", (chunk: Uint8Array) => {
      const bytes = this.#visitors.lingers(socket, chunk.length);
      giveBack(chunk);
      if (bytes === undefined) return;
      for (; paid < bytes; paid += UNWANTED) if (this.#limits.httpRequest(address) > 0) return void socket.destroy();
    });
    socket.resume();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    socket.on("error", () => socket.destroy());
    if (!this.#served.webSocket || targetOf(request).path !== "/ws") return this.#refuse(socket, "404 Not Found");
    if (!this.#mayConnect(request)) return this.#refuse(socket, "403 Forbidden");
    const { address } = this.#whose(request);
    // Frames behind an answer that is still on its way would stand in its midst.
    if (!this.#visitors.left(socket)) return void socket.destroy();
    this.#served.webSocket(request, socket, head, address);
  }

  /** What came is no HTTP. */
  #broken(error: Error, socket: Duplex): void {
    // Nothing reads on: node:http has given its parser back.
    socket.removeAllListeners("data");
    socket.resume();
    this.#refuse(socket, (error as { code?: string }).code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request");
  }

  /** The last answer on a connection, outside of node:http; none if another is on its way. */
  #refuse(socket: Duplex, status: string): void {
    if (this.#visitors.end(socket)) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  }

  /** Browsers say which page opened the WebSocket: ours, or one that is allowed. Other programs say nothing, and are let in. */
  #mayConnect({ headers: { origin, host } }: IncomingMessage): boolean {
    if (origin === undefined) return true;
    if (this.#allowOrigin.has(origin)) return true;
    return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
  }

  /**
   * Whose request this is: the peer's, or, behind trusted proxies, of the last address that no trusted one vouches for; a proxy that says nothing usable comes for
   * itself. It is local if no proxy has to do with it.
   */
  #whose({ socket, headers }: IncomingMessage): { address: string; local: boolean } {
    const peer = socket.remoteAddress ?? "";
    const direct = !this.#trusted.has(peer) && !this.#proxied.has(socket);
    const local = isLoopback(peer) && direct && !FORWARDED.some((name) => headers[name] !== undefined);
    const forwarded = String(headers["x-forwarded-for"] ?? "").split(",").map((item) => item.trim()).filter((item) => item !== "");
    let address = peer;
    while (this.#trusted.has(address) && forwarded.length > 0) {
      const next = forwardedIp(forwarded.pop()!);
      if (next === undefined) break;
      address = next;
    }
    return { address, local };
  }
}

/** An item of X-Forwarded-For; some proxies write the port with it. @returns undefined if it is no address */
function forwardedIp(item: string): string | undefined {
  return usualIp(item.replace(/^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$/, "$1$2"));
}

/** What is asked for. A query may have question marks in it, and proxies may write the whole address (RFC 9112, 3.2.2). */
function targetOf({ url = "/" }: IncomingMessage): { path: string; query: string } {
  const [, path, query = ""] = /^(?:https?:\/\/[^/?]*)?([^?]*)\??(.*)$/is.exec(url) ?? [];
  return { path: path || "/", query };
}

/** How long a request's body is (bytes); undefined: it does not say. */
function lengthOf({ headers }: IncomingMessage): number | undefined {
  return headers["transfer-encoding"] === undefined ? Number(headers["content-length"] ?? 0) : undefined;
}

function isStreamed(body: Answer["body"]): body is Streamed {
  return typeof body === "object" && "read" in body;
}

/** Sends a body a piece at a time, as fast as it is read; `going` is told of each, if nobody knows how many there are. Throws {@linkcode BrokenOff} if the client goes. */
async function pour(body: Streamed, response: ServerResponse, going: (bytes: number) => void): Promise<void> {
  for await (const piece of body.read()) {
    if (body.length === undefined) going(piece.length);
    await new Promise<void>((resolve, reject) =>
      response.write(piece, (error) => error ? reject(new BrokenOff("the client is gone", { cause: error })) : resolve())
    );
  }
  response.end();
}

function overloaded(): Answer {
  return text(503, "too many files are on their way", { "retry-after": "5", connection: "close" });
}

/** Whether the client has what this ETag names. A proxy that compresses makes it a weak one. */
function hasAlready({ headers }: IncomingMessage, etag: string | undefined): boolean {
  if (etag === undefined) return false;
  return (headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, "")).some((tag) => tag === etag || tag === "*");
}
