/**
 * TLS: the same lines over `node:tls`, whose certificate can be changed while it runs.
 *
 * A connection is one from its first byte on: those in a handshake count in every limit as those who have not logged in. The handshake has a time of its own,
 * which node:tls does not keep on every Deno.
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Address } from "../config.ts";
import { LineDecoder } from "../wire/lines.ts";
import type { Certificate } from "./certificate.ts";
import { Connection, type Transport } from "./connection.ts";
import { handleLines, type LineHandler, type LineLimits } from "./line_handler.ts";
import { listenError, plainAddress } from "./listen.ts";

/** How long a handshake may take (ms), if `--login-timeout` is not shorter. */
const HANDSHAKE_MS = 10_000;

/** What a TLS listener needs to know. */
export interface TlsLimits extends LineLimits {
  /** Seconds. */
  loginTimeout: number;
}

class TlsTransport implements Transport {
  readonly kind = "tls";
  readonly address: string;
  /** The TCP socket; after the handshake the TLS socket on it. */
  #socket: Socket;
  readonly #handshake = Promise.withResolvers<TLSSocket>();

  constructor(raw: Socket) {
    this.#socket = raw;
    this.address = plainAddress(raw.remoteAddress ?? "");
  }

  /** The handshake is done. */
  secured(socket: TLSSocket): void {
    this.#socket = socket;
    this.#handshake.resolve(socket);
  }

  async write(lines: string): Promise<void> {
    const socket = await this.#handshake.promise;
    await new Promise<void>((resolve, reject) => socket.write(lines, (error) => error ? reject(error) : resolve()));
  }

  async closeWrite(): Promise<void> {
    const socket = await this.#handshake.promise;
    await new Promise<void>((resolve) => socket.end(() => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** A connection in its handshake. */
interface Begun {
  connection: Connection;
  transport: TlsTransport;
  timer: ReturnType<typeof setTimeout>;
}

/** A TLS listener. */
export class TlsListener {
  readonly #server: Server;
  readonly #limits: TlsLimits;
  readonly #handler: LineHandler;
  /** By the peer's port and address, which is all that the two sockets of a connection have in common. */
  readonly #begun = new Map<string, Begun>();
  #address: Address;

  private constructor(address: Address, certificate: Certificate, limits: TlsLimits, handler: LineHandler) {
    this.#address = address;
    this.#limits = limits;
    this.#handler = handler;
    this.#server = createServer({ ...certificate, allowHalfOpen: true }, (socket) => this.#secured(socket));
    this.#server.on("connection", (raw: Socket) => this.#accepted(raw));
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  /** Where it listens, with the port that was picked. */
  get address(): Address {
    return this.#address;
  }

  /** Listens. Throws {@linkcode ListenError}. */
  static async listen(address: Address, certificate: Certificate, limits: TlsLimits, handler: LineHandler): Promise<TlsListener> {
    try {
      const listener = new TlsListener(address, certificate, limits, handler);
      const server = listener.#server;
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: address.hostname, port: address.port }, resolve);
      });
      const bound = server.address();
      if (bound && typeof bound === "object") listener.#address = { hostname: bound.address, port: bound.port };
      return listener;
    } catch (error) {
      throw listenError(address, error);
    }
  }

  /** From now on handshakes use this certificate; those connected stay. */
  renew(certificate: Certificate): void {
    this.#server.setSecureContext(certificate);
  }

  /** Accepts no more; those connected stay. */
  close(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }

  #accepted(raw: Socket): void {
    const transport = new TlsTransport(raw);
    const connection = new Connection(transport, this.#limits.sendQueue);
    const peer = peerOf(raw);
    const timer = setTimeout(() => connection.destroy("silent"), Math.min(HANDSHAKE_MS, this.#limits.loginTimeout * 1000));
    this.#begun.set(peer, { connection, transport, timer });
    raw.on("error", () => connection.destroy("reset"));
    raw.on("close", () => connection.destroy("reset"));
    void connection.closed.then(() => {
      clearTimeout(timer);
      if (this.#begun.get(peer)?.connection === connection) this.#begun.delete(peer);
    });
    this.#handler.opened(connection);
  }

  #secured(socket: TLSSocket): void {
    const peer = peerOf(socket);
    const begun = this.#begun.get(peer);
    if (!begun) return void socket.destroy();
    this.#begun.delete(peer);
    clearTimeout(begun.timer);
    serve(socket, begun.connection, this.#limits, this.#handler);
    begun.transport.secured(socket);
  }
}

function peerOf({ remotePort, remoteAddress }: Socket): string {
  return `${remotePort} ${remoteAddress}`;
}

function serve(socket: TLSSocket, connection: Connection, limits: LineLimits, handler: LineHandler): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  const lines = new LineDecoder(limits.maxLine);
  socket.on("data", (chunk: Uint8Array) => {
    connection.hear();
    if (connection.ending) return;
    const behind = lines.feed(chunk);
    if (!behind) return;
    socket.pause();
    behind.then(() => socket.resume(), () => {});
  });
  socket.on("end", () => {
    connection.endInput();
    if (!lines.fault) lines.end();
  });
  socket.on("error", () => connection.destroy("reset"));
  socket.on("close", () => {
    connection.destroy("reset");
    lines.cancel();
  });
  void handleLines(connection, lines, handler);
}
