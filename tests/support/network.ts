// A network of its own for a test: a server behind one cable, clients at its other end, and a way round it for the test itself. Needs root and `ip`.

import net from "node:net";

/** Why there can be no such network here; undefined: there can. */
export const noNetwork: string | undefined = obstacle();
if (noNetwork) console.error(`Tests with a network of their own are left out: ${noNetwork}.`);

function obstacle(): string | undefined {
  if (Deno.build.os !== "linux") return "they need Linux";
  if (Deno.uid() !== 0) return "they need root";
  const name = `natter_${Deno.pid}`;
  try {
    const { success, stderr } = new Deno.Command("ip", { args: ["netns", "add", name] }).outputSync();
    if (!success) return new TextDecoder().decode(stderr).trim();
    ip("netns", "del", name);
    return undefined;
  } catch {
    return "there is no ip (iproute2)";
  }
}

function ip(...args: string[]): void {
  const { success, stderr } = new Deno.Command("ip", { args }).outputSync();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/**
 * ```
 * this process ---- server
 *      |               | cable
 *      +---------- clients
 * ```
 */
export class Network implements Disposable {
  /** The server's address for this process, and for those at the other end of the cable; this process's address for the server. */
  readonly server: string;
  readonly serverByCable: string;
  readonly host: string;
  /** The clients' end, for this process. */
  readonly clients: string;
  readonly #names = { server: `natter_s${Deno.pid}`, clients: `natter_c${Deno.pid}` };

  /** @param sysctls of the server's namespace */
  constructor(sysctls: Record<string, number>) {
    const { server, clients } = this.#names;
    const net = `10.203.${Deno.pid % 256}`;
    [this.host, this.server, this.clients, this.serverByCable] = [`${net}.1`, `${net}.2`, `${net}.6`, `${net}.10`];
    try {
      for (const name of [server, clients]) {
        ip("netns", "add", name);
        ip("-n", name, "link", "set", "lo", "up");
      }
      ip("link", "add", `ns${Deno.pid}`, "type", "veth", "peer", "name", "host", "netns", server);
      ip("link", "add", `nc${Deno.pid}`, "type", "veth", "peer", "name", "host", "netns", clients);
      ip("-n", server, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", clients);
      for (
        const [at, device, address] of [
          [[], `ns${Deno.pid}`, this.host],
          [["-n", server], "host", this.server],
          [[], `nc${Deno.pid}`, `${net}.5`],
          [["-n", clients], "host", this.clients],
          [["-n", clients], "cable", `${net}.9`],
          [["-n", server], "cable", this.serverByCable],
        ] as const
      ) {
        ip(...at, "address", "add", `${address}/30`, "dev", device);
        ip(...at, "link", "set", device, "up");
      }
      for (const [name, value] of Object.entries(sysctls)) {
        ip("netns", "exec", server, "sh", "-c", `echo ${value} > /proc/sys/${name.replaceAll(".", "/")}`);
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** What makes a program run at that end: put it before the program's own arguments. */
  at(end: "server" | "clients"): string[] {
    return ["ip", "netns", "exec", this.#names[end]];
  }

  /** Pulls the cable, at the clients' end. */
  pull(): void {
    ip("-n", this.#names.clients, "link", "set", "cable", "down");
  }

  [Symbol.dispose](): void {
    for (const name of Object.values(this.#names)) new Deno.Command("ip", { args: ["netns", "del", name], stderr: "null" }).outputSync();
  }
}

/** Passes connections on, both ways. @returns where it listens */
export function forward(listen: string, target: { hostname: string; port: number }): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(target.port, target.hostname);
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  return new Promise((resolve) =>
    server.listen(0, listen, () =>
      resolve({
        port: (server.address() as net.AddressInfo).port,
        async [Symbol.asyncDispose]() {
          for (const socket of sockets) socket.destroy();
          await new Promise((closed) => server.close(closed));
        },
      }))
  );
}

// As a program: passes connections on from one end of the cable to the other, until it is killed. Arguments: where to listen, the target's address, and its
// ports, each with a name.
if (import.meta.main) {
  const [listen, hostname, ...ports] = Deno.args;
  const ways = await Promise.all(ports.map(async (way) => {
    const [name, port] = way.split("=");
    return `${name}=${listen}:${(await forward(listen!, { hostname: hostname!, port: Number(port) })).port}`;
  }));
  console.log(`natter ready ${ways.join(" ")}`);
}
