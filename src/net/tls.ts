/** TLS: the same lines over `node:tls`, whose certificate can be changed while it runs. */
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Address } from "../config.ts";
import { LineDecoder } from "../wire/lines.ts";
import { Connection, type Transport } from "./connection.ts";
import { handleLines, type LineHandler, type LineLimits } from "./line_handler.ts";
import { ListenError, listenError } from "./listen.ts";

/** How long a handshake may take (ms). */
const HANDSHAKE_MS = 10_000;

/** Certificate chain and private key, as PEM. */
export interface Certificate {
  cert: string;
  key: string;
}

/** Reads certificate and key. Throws {@linkcode ListenError} if they cannot be read. */
export async function readCertificate(certFile: string, keyFile: string): Promise<Certificate> {
  const read = async (path: string) => {
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      throw new ListenError(`cannot read ${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  };
  return { cert: await read(certFile), key: await read(keyFile) };
}

class TlsTransport implements Transport {
  readonly kind = "tls";
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket, readonly address: string) {
    this.#socket = socket;
  }

  write(lines: string, progress: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(lines, (error) => {
        if (error) return reject(error);
        progress();
        resolve();
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** A TLS listener. */
export class TlsListener {
  readonly #server: Server;
  #address: Address;

  private constructor(address: Address, certificate: Certificate, limits: LineLimits, handler: LineHandler) {
    this.#address = address;
    this.#server = createServer({ ...certificate, handshakeTimeout: HANDSHAKE_MS, allowHalfOpen: true }, (socket) => serve(socket, limits, handler));
  }

  get address(): Address {
    return this.#address;
  }

  /** Listens. Throws {@linkcode ListenError}. */
  static async listen(address: Address, certificate: Certificate, limits: LineLimits, handler: LineHandler): Promise<TlsListener> {
    try {
      const listener = new TlsListener(address, certificate, limits, handler);
      const server = listener.#server;
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: address.hostname, port: address.port }, resolve);
      });
      server.on("tlsClientError", (_error, socket) => socket.destroy());
      const bound = server.address();
      if (bound && typeof bound === "object") listener.#address = { hostname: bound.address, port: bound.port };
      return listener;
    } catch (error) {
      throw listenError(address, error);
    }
  }

  /** From now on handshakes use this certificate; those connected stay. Throws if the two do not fit. */
  renew(certificate: Certificate): void {
    this.#server.setSecureContext(certificate);
  }

  /** Accepts no more; those connected stay. */
  close(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }
}

function serve(socket: TLSSocket, limits: LineLimits, handler: LineHandler): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  const connection = new Connection(new TlsTransport(socket, socket.remoteAddress ?? ""), limits.sendQueue);
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
  handler.opened(connection);
  void handleLines(connection, lines, handler);
}
