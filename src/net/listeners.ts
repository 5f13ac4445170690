/** All that a server listens on. What is not asked for is not loaded: start-up counts. */
import { type Address, type Config, ConfigError } from "../config/config.ts";
import type { Limits } from "../ops/limits.ts";
import { log } from "../ops/log.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import type { CertificateWatch } from "./certificate_watch.ts";
import { addressOf, listen, ListenError } from "./listen.ts";
import type { Http, HttpOptions, Served } from "./http.ts";
import type { LineHandler } from "./line_handler.ts";
import type { TlsPort } from "./node_stream.ts";
import type { TcpListener } from "./tcp.ts";
import type { TlsListener } from "./tls.ts";
import type { WebSockets } from "./websocket.ts";

/** Where a server listens. */
export interface Addresses {
  /** Of `--listen`. */
  tcp: Address;
  /** Of `--tls-listen`. */
  tls?: Address;
  /** Of `--http`. */
  http?: Address;
  /** Of `--https`. */
  https?: Address;
  /** Of `--metrics`. */
  metrics?: Address;
}

/** What answers over HTTP: on the page's listeners, and on the one for metrics. */
export interface Answering {
  /** On `--http` and `--https`. */
  page: Served["answer"];
  /** On `--metrics`. */
  metrics: Served["answer"];
}

/** How long the head of an HTTP request may take (ms), if `--login-timeout` is not shorter. */
const HEAD_MS = 10_000;
/** Those who ask for the page may hold this part of `--max-connections` beside the clients, and at least so many. */
const VISITORS = 1 / 4, LEAST_VISITORS = 16;

/** What listens, and whose connections wait. */
interface Bound {
  tcp: Deno.TcpListener;
  tls?: TlsPort;
  http?: Deno.TcpListener;
  https?: TlsPort;
  metrics?: Deno.TcpListener;
}

/** All listeners of a server. */
export class Listeners {
  #tcp: TcpListener | undefined;
  #tls: TlsListener | undefined;
  #web: { http?: Http; https?: Http; metrics?: Http } = {};
  #stopped = false;
  #closed = false;
  /** Where they listen, with the ports that were picked. */
  readonly addresses: Addresses;

  private constructor(
    private readonly config: Config,
    /** For TLS; there if anything listens with it. */
    private readonly certificate: Certificate | undefined,
    private readonly bound: Bound,
    private readonly watch: CertificateWatch | undefined,
  ) {
    const { tcp, tls, http, https, metrics } = bound;
    this.addresses = { tcp: addressOf(tcp) };
    if (tls) this.addresses.tls = tls.address;
    if (http) this.addresses.http = addressOf(http);
    if (https) this.addresses.https = https.address;
    if (metrics) this.addresses.metrics = addressOf(metrics);
  }

  /**
   * Listens everywhere. Who comes waits, in the kernel's queue, until {@linkcode accept} and {@linkcode serveHttp}.
   *
   * Throws {@linkcode ListenError}; then nothing is open.
   *
   * @param certificate for TLS; there if anything listens with it
   */
  static async open(config: Config, certificate: Certificate | undefined): Promise<Listeners> {
    const { tlsListen, http, https, metrics } = config;
    const bound: Bound = { tcp: await opening("listen", () => listen(config.listen)) };
    try {
      if (http) bound.http = await opening("http", () => listen(http));
      if (https) bound.https = await opening("https", () => listenForTls(https));
      if (metrics) bound.metrics = await opening("metrics", () => listen(metrics));
      if (tlsListen) bound.tls = await opening("tls-listen", () => listenForTls(tlsListen));
      const watch = certificate && new (await import("./certificate_watch.ts")).CertificateWatch(certificate);
      return new Listeners(config, certificate, bound, watch);
    } catch (error) {
      for (const port of Object.values(bound)) port.close();
      throw error;
    }
  }

  /** Throws {@linkcode ListenError} if somebody listens there already, or nobody can. */
  static check(config: Config): void {
    // All at once: two of them may be the same.
    const open: Deno.TcpListener[] = [];
    try {
      for (const flag of ["listen", "http", "https", "metrics", "tls-listen"] as const) {
        const address = config[flag === "tls-listen" ? "tlsListen" : flag];
        try {
          if (address) open.push(listen(address));
        } catch (error) {
          throw named(flag, error);
        }
      }
    } finally {
      for (const listener of open) listener.close();
    }
  }

  /** Accepts clients by TCP and TLS from now on. What serves them is loaded here. */
  async accept(handler: LineHandler): Promise<void> {
    const { config, certificate, bound } = this;
    const { TcpListener } = await import("./tcp.ts");
    if (this.#stopped) return;
    this.#tcp = new TcpListener(bound.tcp, config.trustedProxy, config, handler);
    if (!bound.tls || !certificate) return;
    const { TlsListener } = await import("./tls.ts");
    if (!this.#stopped) this.#tls = new TlsListener(bound.tls, certificate, config, handler);
  }

  /** Answers over HTTP from now on. What does so is loaded here; `handler` gets what comes by WebSocket. */
  async serveHttp(answering: Answering, handler: LineHandler, limits: Limits): Promise<void> {
    const { config, certificate, bound: { http, https, metrics } } = this;
    const { allowOrigin, trustedProxy, maxConnections, loginTimeout } = config;
    const { Http } = await import("./http.ts");
    if (this.#closed) return;
    // Loading it takes as long as starting all the rest; it is there when the first browser has read the page.
    let sockets: Promise<WebSockets> | undefined;
    const mostVisitors = Math.max(LEAST_VISITORS, Math.floor(maxConnections * VISITORS));
    const options: HttpOptions = { allowOrigin, trustedProxy, mostVisitors, headTime: Math.min(HEAD_MS, loginTimeout * 1000), limits };
    const served: Served = {
      answer: (request) => answering.page(request),
      webSocket: (request, socket, head, address) => {
        sockets ??= import("./websocket.ts").then(({ WebSockets }) => new WebSockets(config, handler));
        sockets.then((there) => there.upgrade(request, socket, head, address)).catch((error) => {
          log.error("WebSockets cannot be served", { error });
          socket.destroy();
        });
      },
    };
    if (http) this.#web.http = Http.over(http, options, served);
    if (https && certificate) this.#web.https = Http.overTls(https, certificate, options, served);
    if (metrics) this.#web.metrics = Http.over(metrics, options, { answer: (request) => answering.metrics(request) });
  }

  /** When the certificate ends (ms since the epoch); undefined: there is none. */
  get certificateEnds(): number | undefined {
    return this.watch?.ends;
  }

  /** Reads the certificate again, for handshakes from now on. Throws {@linkcode ConfigError} if it cannot be used, or has ended; then the old one stays. */
  async renewCertificate(): Promise<void> {
    const certificate = await readCertificate(this.config);
    if (!certificate) return;
    if (certificate.ends <= Date.now()) {
      throw new ConfigError(`--tls-cert: ${this.config.tlsCert} has ended, at ${new Date(certificate.ends).toISOString()}`);
    }
    this.#tls?.renew(certificate);
    this.#web.https?.renew(certificate);
    this.watch?.renewed(certificate);
  }

  /** Accepts no more TCP and TLS connections; HTTP still says how the server is. */
  async stopAccepting(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const { tcp, tls } = this.bound;
    await Promise.all([(this.#tcp ?? tcp).close(), (this.#tls ?? tls)?.close()]);
  }

  /** Closes HTTP too. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.watch?.close();
    await Promise.all((["http", "https", "metrics"] as const).map((name) => (this.#web[name] ?? this.bound[name])?.close()));
  }
}

/** Only who speaks TLS loads what it needs. */
async function listenForTls(address: Address): Promise<TlsPort> {
  return await (await import("./node_stream.ts")).listenForTls(address);
}

/** A {@linkcode ListenError} says which setting it is about. */
async function opening<T>(flag: string, open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw named(flag, error);
  }
}

function named(flag: string, error: unknown): unknown {
  if (error instanceof ListenError) error.message = `--${flag}: ${error.message}`;
  return error;
}
