/**
 * TLS: the same lines over `node:tls`, whose certificate can be changed while it runs.
 *
 * A connection is one from its first byte on: those in a handshake count in every limit as those who have not logged in. The handshake has a time of its own.
 */
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { Duplex } from "node:stream";
import { timeUp } from "../async/time_up.ts";
import type { Acceptor } from "./accept.ts";
import { bytesOf, isBeginning } from "./beginning.ts";
import type { Certificate } from "./certificate.ts";
import { Connection, type Transport, WRITE_PIECE, type Writer } from "./connection.ts";
import { type LineHandler, LineInput, type LineLimits } from "./line_handler.ts";
import type { Accepted, TlsPort } from "./node_stream.ts";

/** How long a handshake may take (ms), if `--login-timeout` is not shorter. */
const HANDSHAKE_MS = 10_000;

/** What a TLS listener needs to know. */
export interface TlsLimits extends LineLimits {
  /** Seconds. */
  loginTimeout: number;
  /** Addresses whose connections may begin with a PROXY header. */
  trustedProxy: readonly string[];
}

/** Makes TLS sockets, with the certificate of the day. */
export class Handshakes {
  #context: SecureContext;

  /** Begins with this certificate. */
  constructor(certificate: Certificate) {
    this.#context = createSecureContext(certificate);
  }

  /** From now on handshakes use this certificate; those connected stay. */
  renew(certificate: Certificate): void {
    this.#context = createSecureContext(certificate);
  }

  /** Begins one. `done` is called if it succeeds; if not, the stream is destroyed. */
  begin(stream: Duplex, peer: string, done: () => void): TLSSocket {
    const options = { isServer: true, secureContext: this.#context, allowHalfOpen: true };
    // The types want a net.Socket; the documentation asks for any Duplex.
    const socket = new TLSSocket(stream as unknown as ConstructorParameters<typeof TLSSocket>[0], options);
    Object.defineProperty(socket, "remoteAddress", { value: peer });
    // Who is gone in the middle of it holds no descriptor until its time is over.
    const gone = () => stream.destroy();
    stream.once("end", gone);
    socket.once("secure", () => {
      stream.off("end", gone);
      done();
    });
    socket.on("error", () => stream.destroy());
    socket.on("close", () => stream.destroy());
    return socket;
  }
}

const encoder = new TextEncoder();

class TlsTransport implements Transport {
  readonly kind = "tls";
  readonly #stream: Duplex;
  readonly #handshake = Promise.withResolvers<TLSSocket>();

  constructor(stream: Duplex, readonly address: string) {
    this.#stream = stream;
  }

  /** The handshake is done. */
  secured(socket: TLSSocket): void {
    this.#handshake.resolve(socket);
  }

  write(lines: string, writer: Writer): void {
    this.#write(lines, writer).then(() => writer.wroteAll(), () => writer.writeFailed());
  }

  async #write(lines: string, writer: Writer): Promise<void> {
    const socket = await this.#handshake.promise;
    const bytes = isBeginning(lines) ? bytesOf(lines) : encoder.encode(lines);
    for (let at = 0; at < bytes.length; at += WRITE_PIECE) {
      if (at > 0) writer.progressed();
      await new Promise<void>((resolve, reject) => socket.write(bytes.subarray(at, at + WRITE_PIECE), (error) => error ? reject(error) : resolve()));
    }
  }

  async closeWrite(): Promise<void> {
    const socket = await this.#handshake.promise;
    await new Promise<void>((resolve) => socket.end(() => resolve()));
  }

  close(): void {
    // The TLS socket ends with it.
    this.#stream.destroy();
  }
}

/** A TLS listener. */
export class TlsListener {
  readonly #handshakes: Handshakes;
  readonly #limits: TlsLimits;
  readonly #handler: LineHandler;
  readonly #acceptor: Pick<Acceptor, "close">;

  /** Takes the port over. */
  constructor(port: TlsPort, certificate: Certificate, limits: TlsLimits, handler: LineHandler) {
    this.#limits = limits;
    this.#handler = handler;
    this.#handshakes = new Handshakes(certificate);
    this.#acceptor = port.accept(new Set(limits.trustedProxy), (accepted) => this.#accepted(accepted));
  }

  /** From now on handshakes use this certificate; those connected stay. */
  renew(certificate: Certificate): void {
    this.#handshakes.renew(certificate);
  }

  /** Accepts no more; those connected stay. */
  close(): Promise<void> {
    return this.#acceptor.close();
  }

  #accepted({ stream, peer }: Accepted): void {
    const transport = new TlsTransport(stream, peer);
    const connection = new Connection(transport, this.#limits.sendQueue);
    const inTime = timeUp(Math.min(HANDSHAKE_MS, this.#limits.loginTimeout * 1000), () => connection.destroy("silent"));
    stream.on("close", () => connection.destroy("reset"));
    void connection.closed.then(inTime);
    this.#handler.opened(connection);
    const socket = this.#handshakes.begin(stream, peer, () => {
      inTime();
      transport.secured(socket);
    });
    serve(socket, connection, this.#limits, this.#handler);
  }
}

function serve(socket: TLSSocket, connection: Connection, limits: LineLimits, handler: LineHandler): void {
  const input = new LineInput(connection, handler, limits.maxLine);
  socket.on("data", (chunk: Uint8Array) => {
    connection.hear();
    if (connection.ending) return;
    const behind = input.feed(chunk);
    if (!behind) return;
    socket.pause();
    void behind.then(() => socket.resume());
  });
  socket.on("end", () => {
    connection.endInput();
    input.end();
  });
  socket.on("close", () => input.cancel());
}
