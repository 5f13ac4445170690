/** What lies between Deno's connections and Node's libraries, which do HTTP and TLS. */
import { Buffer } from "node:buffer";
import { createServer } from "node:net";
import { nextTick } from "node:process";
import { Duplex } from "node:stream";
import { laterFirst, worked } from "../async/loop.ts";
import { timeUp } from "../async/time_up.ts";
import type { Address } from "../config/config.ts";
import { log } from "../ops/log.ts";
import { Acceptor, ipOf } from "./accept.ts";
import { LARGE_READ, SMALL_READ } from "./buffer_pool.ts";
import { addressOf, listen, listenError } from "./listen.ts";
import { findProxyHeader, PROXY_HEADER_MS } from "./proxy_header.ts";

/** What a buffer grows to that is filled again and again (bytes): what is in it may be cut into many small things in one turn. */
const MOST_READ = 65_536;

/** A connection as Node's libraries want it. */
export class NodeStream extends Duplex {
  readonly #conn: Deno.TcpConn;
  #buffer = new Uint8Array(SMALL_READ);
  #open = true;
  /** A read that is on its way; it never rejects. */
  #reading: Promise<void> | undefined;
  /** Nothing more will come. */
  #over = false;
  /** Somebody reads it alone; whoever else would have read is to do so then. */
  #taken = false;
  #wanted = false;

  /** Takes the connection over, and closes it at its own end. */
  constructor(conn: Deno.TcpConn, readonly remoteAddress: string) {
    super({ allowHalfOpen: true });
    this.#conn = conn;
    try {
      conn.setNoDelay(true);
      conn.setKeepAlive(true);
    } catch {
      // It was reset already; reading tells.
    }
    // Whoever uses it learns of an error by its end.
    this.on("error", () => {});
  }

  // What libraries ask of a socket.
  /** It is so already. */
  setNoDelay(): this {
    return this;
  }
  /** It is so already. */
  setKeepAlive(): this {
    return this;
  }
  /** Nothing: times are kept by those who hold the connection. */
  setTimeout(): this {
    return this;
  }

  /** One read, when the others have been seen to. */
  override _read(): void {
    if (worked(0)) laterFirst(() => this.#read());
    else this.#read();
  }

  #read(): void {
    if (!this.#open) return;
    if (this.#taken) {
      this.#wanted = true;
      return;
    }
    this.#reading = this.#conn.read(this.#buffer).then((n) => {
      const begun = performance.now();
      this.#over = n === null;
      this.push(n === null ? null : this.#copy(n));
      worked(performance.now() - begun);
    }, (error) => void this.destroy(error));
  }

  /** Nobody is told any more of what comes: it is there for {@linkcode readInto} alone, until {@linkcode letGo}. */
  takeOver(): void {
    this.removeAllListeners("data");
    this.pause();
    this.#taken = true;
  }

  /** Puts what comes next into a buffer. @returns how many bytes, at least one. Throws if nothing comes any more */
  async readInto(into: Uint8Array): Promise<number> {
    await this.#reading;
    // What came before it was taken.
    const before: Buffer | null = this.readableLength > 0 ? this.read(Math.min(this.readableLength, into.length)) : null;
    if (before) into.set(before);
    const n = before?.length ?? (this.#over ? null : await this.#conn.read(into));
    if (n !== null) return n;
    this.#over = true;
    throw new Error("the client ended it");
  }

  /** What comes from now on is for others. */
  letGo(): void {
    this.#taken = false;
    if (this.#wanted) this.#read();
    this.#wanted = false;
  }

  /** Done when the kernel has taken it all. */
  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#writeAll(chunk).then(() => done(), done);
  }

  /** FIN. */
  override _final(done: (error?: Error) => void): void {
    this.#conn.closeWrite().then(() => done(), done);
  }

  /** Closes the connection; what is pending ends. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#open) this.#conn.close();
    this.#open = false;
    done(error);
  }

  #copy(n: number): Buffer {
    const read = Buffer.from(this.#buffer.buffer.slice(0, n));
    const size = this.#buffer.length;
    if (n === size && size < MOST_READ) this.#buffer = new Uint8Array(size === SMALL_READ ? LARGE_READ : MOST_READ);
    else if (n < SMALL_READ && size > SMALL_READ) this.#buffer = new Uint8Array(SMALL_READ);
    return read;
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    for (let written = 0; written < chunk.length;) written += await this.#conn.write(chunk.subarray(written));
  }
}

/** A connection that TLS will be spoken on. */
export interface Accepted {
  /** What carries it. */
  stream: Duplex;
  /** Whose it is. */
  peer: string;
  /** A proxy has said so. */
  proxied: boolean;
}

/** Before Deno 2.9 TLS over anything but a socket of node:net stands still after 96 KiB. */
const TLS_NEEDS_SOCKETS = /^2\.[0-8]\./.test(Deno.version.deno);

/** What listens for connections that TLS will be spoken on. Who comes waits until they are accepted. */
export interface TlsPort {
  /** Where it listens, with the port that was picked. */
  readonly address: Address;
  /** Gives them away from now on. `trusted`: addresses whose connections may begin with a PROXY header. */
  accept(trusted: ReadonlySet<string>, accepted: (connection: Accepted) => void): Pick<Acceptor, "close">;
  /** Listens no more; for a port that was not accepted from. */
  close(): void;
}

/** Listens. Throws {@linkcode ListenError}. */
export async function listenForTls(address: Address): Promise<TlsPort> {
  type Came = (stream: Duplex, peer: string) => void;
  const port = (address: Address, accept: (came: Came) => Pick<Acceptor, "close">, close: () => void): TlsPort => ({
    address,
    accept: (trusted, accepted) =>
      accept((stream, peer) => {
        if (trusted.has(peer)) takeProxyHeader(stream, peer, accepted);
        else accepted({ stream, peer, proxied: false });
      }),
    close,
  });
  if (!TLS_NEEDS_SOCKETS) {
    const listener = listen(address);
    return port(
      addressOf(listener),
      (came) => new Acceptor(listener, (conn, peer) => came(new NodeStream(conn, peer), peer)),
      () => listener.close(),
    );
  }
  const accepting = Promise.withResolvers<Came>();
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
    socket.on("error", () => {});
    void accepting.promise.then((came) => socket.destroyed || came(socket, ipOf({ hostname: socket.remoteAddress ?? "" })));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(address, error)));
    server.listen({ host: address.hostname, port: address.port }, resolve);
  });
  const bound = server.address();
  const close = () => {
    // Those who wait yet.
    accepting.resolve((stream) => void stream.destroy());
    server.close();
    return Promise.resolve();
  };
  return port(bound && typeof bound === "object" ? { hostname: bound.address, port: bound.port } : address, (came) => {
    accepting.resolve(came);
    return { close };
  }, close);
}

/** The first byte of a TLS handshake: no PROXY header begins with it, so a proxy may leave its header out, and does where it speaks TLS itself. */
const HANDSHAKE = 0x16;

/** Takes a PROXY header off the beginning of a stream, if there is one, and passes the stream on. What is neither that nor TLS is closed. */
function takeProxyHeader(stream: Duplex, peer: string, accepted: (connection: Accepted) => void): void {
  let came = Buffer.alloc(0);
  const done = () => {
    inTime();
    stream.off("readable", read);
    stream.off("close", done);
    stream.off("end", close);
  };
  const close = () => {
    done();
    log.warning("a trusted proxy sent neither a PROXY header nor TLS", { address: peer });
    stream.destroy();
  };
  const read = () => {
    for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) came = Buffer.concat([came, chunk]);
    if (came.length === 0) return;
    const header = came[0] === HANDSHAKE ? { length: 0, address: undefined } : findProxyHeader(came);
    if (header === undefined) return;
    if (header === "none") return close();
    done();
    const rest = came.subarray(header.length);
    const giveBack = () => rest.length > 0 && !stream.destroyed && stream.unshift(rest);
    if (TLS_NEEDS_SOCKETS) giveBack();
    accepted({ stream, peer: header.address ?? peer, proxied: header.address !== undefined });
    // TLS begins in a tick of its own, and fails there if what is no TLS has ended it before.
    if (!TLS_NEEDS_SOCKETS) nextTick(giveBack);
  };
  const inTime = timeUp(PROXY_HEADER_MS, close);
  stream.on("readable", read);
  stream.on("end", close);
  stream.on("close", done);
}
