/** All that a server listens on. What is not asked for is not loaded: start-up counts. */
import { type Address, type Config, ConfigError } from "../config/config.ts";
import type { Limits } from "../ops/limits.ts";
import { log } from "../ops/log.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import type { CertificateWatch } from "./certificate_watch.ts";
import { addressOf, listen, ListenError } from "./listen.ts";
import type { Http, HttpOptions, Served } from "./http.ts";
import type { LineHandler } from "./line_handler.ts";
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

/** What the listeners are given. */
export interface ListenersParts {
  /** Where to listen, and what lines may be. */
  config: Config;
  /** For TLS; there if anything listens with it. */
  certificate: Certificate | undefined;
  /** What gets the lines. */
  handler: LineHandler;
  /** What HTTP answers. */
  answering: Answering;
  /** Who may connect how often. */
  limits: Limits;
}

/** All listeners of a server. */
export class Listeners {
  #tcp: TcpListener | undefined;
  #stopped = false;
  /** Where they listen, with the ports that were picked. */
  readonly addresses: Addresses;

  private constructor(
    private readonly config: Config,
    private readonly handler: LineHandler,
    /** Of `--listen`. */
    private readonly bound: Deno.TcpListener,
    private readonly tls: TlsListener | undefined,
    private readonly web: { http?: Http; https?: Http; metrics?: Http },
    private readonly watch: CertificateWatch | undefined,
  ) {
    this.addresses = { tcp: addressOf(bound) };
    if (tls) this.addresses.tls = tls.address;
    for (const name of ["http", "https", "metrics"] as const) {
      const there = web[name];
      if (there) this.addresses[name] = there.address;
    }
  }

  /** Opens all listeners; who comes by TCP waits in the kernel's queue until {@linkcode accept}. Throws {@linkcode ListenError}; then none is open. */
  static async open({ config, certificate, handler, answering, limits }: ListenersParts): Promise<Listeners> {
    const { tlsListen, http, https, metrics, allowOrigin, trustedProxy, maxConnections, loginTimeout } = config;
    const bound = await opening("listen", () => listen(config.listen));
    const web: Listeners["web"] = {};
    let tls: TlsListener | undefined;
    try {
      if (http || https || metrics) {
        const { Http } = await import("./http.ts");
        // Loading it takes as long as starting all the rest; it is there when the first browser has read the page.
        let sockets: Promise<WebSockets> | undefined;
        const mostVisitors = Math.max(LEAST_VISITORS, Math.floor(maxConnections * VISITORS));
        const options: HttpOptions = { allowOrigin, trustedProxy, mostVisitors, headTime: Math.min(HEAD_MS, loginTimeout * 1000), limits };
        const served: Served = {
          answer: answering.page,
          webSocket: (request, socket, head, address) => {
            sockets ??= import("./websocket.ts").then(({ WebSockets }) => new WebSockets(config, handler));
            sockets.then((there) => there.upgrade(request, socket, head, address)).catch((error) => {
              log.error("WebSockets cannot be served", { error });
              socket.destroy();
            });
          },
        };
        if (http) web.http = await opening("http", () => Http.listen(http, undefined, options, served));
        if (https) web.https = await opening("https", () => Http.listen(https, certificate, options, served));
        if (metrics) web.metrics = await opening("metrics", () => Http.listen(metrics, undefined, options, { answer: answering.metrics }));
      }
      if (tlsListen && certificate) {
        const { TlsListener } = await import("./tls.ts");
        tls = await opening("tls-listen", () => TlsListener.listen(tlsListen, certificate, config, handler));
      }
      const watch = certificate && new (await import("./certificate_watch.ts")).CertificateWatch(certificate);
      return new Listeners(config, handler, bound, tls, web, watch);
    } catch (error) {
      bound.close();
      await Promise.all([tls?.close(), web.http?.close(), web.https?.close(), web.metrics?.close()]);
      throw error;
    }
  }

  /** Throws {@linkcode ListenError} if somebody listens there already, or nobody can. */
  static check(config: Config): void {
    for (const flag of ["listen", "tls-listen", "http", "https", "metrics"] as const) {
      const address = config[flag === "tls-listen" ? "tlsListen" : flag];
      try {
        if (address) listen(address).close();
      } catch (error) {
        throw named(flag, error);
      }
    }
  }

  /** Accepts TCP connections from now on. What serves them is loaded here. */
  async accept(): Promise<void> {
    const { TcpListener } = await import("./tcp.ts");
    if (!this.#stopped) this.#tcp = new TcpListener(this.bound, this.config.trustedProxy, this.config, this.handler);
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
    this.tls?.renew(certificate);
    this.web.https?.renew(certificate);
    this.watch?.renewed(certificate);
  }

  /** Accepts no more TCP and TLS connections; HTTP still says how the server is. */
  async stopAccepting(): Promise<void> {
    if (!this.#tcp && !this.#stopped) this.bound.close();
    this.#stopped = true;
    await Promise.all([this.#tcp?.close(), this.tls?.close()]);
  }

  /** Closes HTTP too. */
  async close(): Promise<void> {
    this.watch?.close();
    await Promise.all([this.web.http?.close(), this.web.https?.close(), this.web.metrics?.close()]);
  }
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
