/** All that a server listens on. What is not asked for is not loaded: start-up counts. */
import type { Address, Config } from "../config.ts";
import type { Http, HttpOptions, Routes } from "./http.ts";
import type { LineHandler } from "./line_handler.ts";
import { TcpListener } from "./tcp.ts";
import type { TlsListener } from "./tls.ts";

/** Where a server listens. */
export interface Addresses {
  tcp: Address;
  tls?: Address;
  http?: Address;
  https?: Address;
  metrics?: Address;
}

/** What answers GETs: on the page's listeners, and on the one for metrics. */
export interface Gets {
  page: Routes["get"];
  metrics: Routes["get"];
}

export class Listeners {
  /** Where they listen, with the ports that were picked. */
  readonly addresses: Addresses;

  private constructor(
    private readonly config: Config,
    private readonly tcp: TcpListener,
    private readonly tls: TlsListener | undefined,
    private readonly web: { http?: Http; https?: Http; metrics?: Http },
  ) {
    this.addresses = { tcp: tcp.address };
    if (tls) this.addresses.tls = tls.address;
    for (const name of ["http", "https", "metrics"] as const) {
      const there = web[name];
      if (there) this.addresses[name] = there.address;
    }
  }

  /** Opens all listeners. Throws {@linkcode ListenError}; then none is open. */
  static async open(config: Config, handler: LineHandler, gets: Gets): Promise<Listeners> {
    const { listen, tlsListen, http, https, metrics, tlsCert, tlsKey, trustedProxy } = config;
    const web: Listeners["web"] = {};
    let tls: TlsListener | undefined;
    try {
      const certificate = tlsCert && tlsKey ? await (await import("./tls.ts")).readCertificate(tlsCert, tlsKey) : undefined;
      if (http || https || metrics) {
        const [{ Http }, { WebSockets }] = await Promise.all([import("./http.ts"), import("./websocket.ts")]);
        const sockets = new WebSockets(config, handler);
        const options: HttpOptions = { allowOrigin: config.allowOrigin, trustedProxy };
        const routes: Routes = { get: gets.page, webSocket: (request, socket, head, address) => sockets.upgrade(request, socket, head, address) };
        if (http) web.http = await Http.listen(http, undefined, options, routes);
        if (https) web.https = await Http.listen(https, certificate, options, routes);
        if (metrics) web.metrics = await Http.listen(metrics, undefined, options, { get: gets.metrics });
      }
      if (tlsListen && certificate) tls = await (await import("./tls.ts")).TlsListener.listen(tlsListen, certificate, config, handler);
      return new Listeners(config, new TcpListener(listen, trustedProxy, config, handler), tls, web);
    } catch (error) {
      await Promise.all([tls?.close(), web.http?.close(), web.https?.close(), web.metrics?.close()]);
      throw error;
    }
  }

  /** Reads the certificate again, for handshakes from now on. Throws if it cannot be read or does not fit; then the old one stays. */
  async renewCertificate(): Promise<void> {
    const { tlsCert, tlsKey } = this.config;
    if (!tlsCert || !tlsKey) return;
    const certificate = await (await import("./tls.ts")).readCertificate(tlsCert, tlsKey);
    this.tls?.renew(certificate);
    this.web.https?.renew(certificate);
  }

  /** Accepts no more TCP and TLS connections; HTTP still says how the server is. */
  async stopAccepting(): Promise<void> {
    await Promise.all([this.tcp.close(), this.tls?.close()]);
  }

  /** Closes HTTP too. */
  async close(): Promise<void> {
    await Promise.all([this.web.http?.close(), this.web.https?.close(), this.web.metrics?.close()]);
  }
}
