/**
 * A TCP proxy for faults: freeze (a pulled cable: nothing is forwarded, nothing closed), cut (RST to both ends), refuse, and a look at every chunk, which may be
 * held, dropped, or be the last one.
 *
 * It stands on `node:net`, because only that can reset a connection on demand. Deno 2.7's cuts a connection short whose peer half-closes while a write to it
 * still waits: do not half-close through the proxy with megabytes on their way back.
 */

import net from "node:net";

/** Bytes on their way through the proxy. */
export interface Chunk {
  /** 1, 2, 3 … in the order the connections came. */
  connection: number;
  /** `up`: from the client to the target. */
  direction: "up" | "down";
  /** Empty: the end (FIN) of that direction. */
  data: Uint8Array;
}

/** What to do with a chunk. `cut` drops it and resets its connection; `passAndCut` forwards it first. */
export type Verdict = "pass" | "drop" | "cut" | "passAndCut";

export interface Proxy extends AsyncDisposable {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** How many connections go through it now. */
  readonly connections: number;
  /** Looks at every chunk. A promise holds that direction of that connection until it resolves. */
  inspect: ((chunk: Chunk) => Verdict | Promise<Verdict>) | undefined;
  /** New connections are reset at once. */
  refuse: boolean;
  /** Stops forwarding, in both directions and for FIN and RST too. New connections are accepted and hear nothing. */
  freeze(): void;
  /** Goes on with everything that waits. */
  thaw(): void;
  /** Resets all connections, on both sides. */
  cut(): void;
}

/** Starts a proxy before `target`. */
export async function startProxy(target: { hostname: string; port: number }): Promise<Proxy> {
  const links = new Set<{ cut(): void }>();
  let count = 0;
  let frozen: { promise: Promise<void>; resolve(): void } | undefined;

  const server = net.createServer({ allowHalfOpen: true }, async (client) => {
    if (proxy.refuse) return client.resetAndDestroy();
    const connection = ++count;
    const sockets = [client];
    const ended = Promise.withResolvers<void>();
    const link = {
      cut() {
        for (const socket of sockets) socket.resetAndDestroy();
        links.delete(link);
        ended.resolve();
      },
    };
    links.add(link);
    client.on("error", () => {});
    await frozen?.promise;
    if (!links.has(link)) return;
    const upstream = net.connect({ host: target.hostname, port: target.port, allowHalfOpen: true });
    sockets.push(upstream);
    upstream.on("error", () => {});
    for (const socket of sockets) socket.setNoDelay(true);

    async function pump(from: net.Socket, to: net.Socket, direction: "up" | "down") {
      for await (const data of from.iterator({ destroyOnReturn: false })) {
        await frozen?.promise;
        const verdict = await proxy.inspect?.({ connection, direction, data }) ?? "pass";
        if (verdict === "cut") return link.cut();
        if (verdict === "drop") continue;
        if (to.destroyed) return;
        await Promise.race([new Promise((resolve) => to.write(data, resolve)), ended.promise]);
        if (verdict === "passAndCut") return link.cut();
      }
      await frozen?.promise;
      const verdict = await proxy.inspect?.({ connection, direction, data: new Uint8Array() }) ?? "pass";
      if (verdict === "cut") return link.cut();
      if (verdict !== "drop") await Promise.race([new Promise<void>((resolve) => to.end(resolve)), ended.promise]);
    }
    try {
      await Promise.all([pump(client, upstream, "up"), pump(upstream, client, "down")]);
    } catch {
      await frozen?.promise;
      link.cut();
    }
    for (const socket of sockets) socket.destroy();
    links.delete(link);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const proxy: Proxy = {
    port: (server.address() as net.AddressInfo).port,
    get connections() {
      return links.size;
    },
    inspect: undefined,
    refuse: false,
    freeze() {
      frozen ??= Promise.withResolvers<void>();
    },
    thaw() {
      frozen?.resolve();
      frozen = undefined;
    },
    cut() {
      for (const link of [...links]) link.cut();
    },
    async [Symbol.asyncDispose]() {
      proxy.refuse = true;
      proxy.cut();
      proxy.thaw();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
