// A network of its own for a test: a server behind one cable, clients at its other end, and a way round it for the test itself. Needs root and `ip`.

import net from "node:net";

/** Why there can be no such network here; undefined: there can. */
export const noNetwork: string | undefined = obstacle();
if (noNetwork) console.error(`Tests with a network of their own are left out: ${noNetwork}.`);

function obstacle(): string | undefined {
  if (Deno.build.os !== "linux") return "they need Linux";
  if (Deno.uid() !== 0) return "they need root";
  // Several files of this process may look at the same time.
  const name = `natter_${crypto.randomUUID().slice(0, 8)}`;
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

function remove(namespaces: string[]): void {
  for (const name of namespaces) new Deno.Command("ip", { args: ["netns", "del", name], stderr: "null" }).outputSync();
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
  readonly #names: { server: string; clients: string };

  private constructor(readonly id: number) {
    const net = `10.203.${id}`;
    [this.host, this.server, this.clients, this.serverByCable] = [`${net}.1`, `${net}.2`, `${net}.6`, `${net}.10`];
    this.#names = { server: `natter_s${id}`, clients: `natter_c${id}` };
  }

  /** @param sysctls of the server's namespace */
  static make(sysctls: Record<string, number>): Network {
    // Another file may have one, and of one that is gone the kernel clears away the links later.
    for (let id = 0;; id++) {
      const network = new Network(id);
      try {
        network.#build(sysctls);
        return network;
      } catch (error) {
        if (id === 255 || !String(error).includes("File exists")) throw error;
      }
    }
  }

  #build(sysctls: Record<string, number>): void {
    const { server, clients } = this.#names;
    const made: string[] = [];
    try {
      for (const name of [server, clients]) {
        ip("netns", "add", name);
        made.push(name);
        ip("-n", name, "link", "set", "lo", "up");
      }
      const [toServer, toClients] = [`ns${this.id}`, `nc${this.id}`];
      ip("link", "add", toServer, "type", "veth", "peer", "name", "host", "netns", server);
      ip("link", "add", toClients, "type", "veth", "peer", "name", "host", "netns", clients);
      ip("-n", server, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", clients);
      const net = `10.203.${this.id}`;
      for (
        const [at, device, address] of [
          [[], toServer, this.host],
          [["-n", server], "host", this.server],
          [[], toClients, `${net}.5`],
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
      remove(made);
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
    remove(Object.values(this.#names));
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
