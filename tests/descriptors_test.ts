// No file descriptor left: those connected are served on, and whoever waits comes in when there is one again, at every listener.

import { assert, assertEquals } from "@std/assert";
import net from "node:net";
import { Awake } from "./support/awake.ts";
import { upTo } from "./support/chat.ts";
import { testDatabase } from "./support/databases.ts";
import { Program } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { eventually, makeUsers } from "./support/server.ts";

const certificate = new URL("./support/localhost_cert.pem", import.meta.url).pathname;
const key = new URL("./support/localhost_key.pem", import.meta.url).pathname;
const any = "127.0.0.1:0";
/** Before Deno 2.9 the TLS listener is node:net's own, which does not come back. */
const old = /^2\.[0-8]\./.test(Deno.version.deno);
const LEFT = 100;

function open(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" }, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** CPU time that a process has taken (ms). */
async function cpuTime(pid: number): Promise<number> {
  const [user, system] = (await Deno.readTextFile(`/proc/${pid}/stat`)).split(") ")[1].split(" ").slice(11, 13);
  return (Number(user) + Number(system)) * 10;
}

Deno.test({
  name: "descriptors: when none is left, those connected are served on, and accepting comes back by itself",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using db = await testDatabase("sqlite");
    const flags = {
      listen: any,
      http: any,
      "tls-listen": any,
      "tls-cert": certificate,
      "tls-key": key,
      database: db.url,
      limits: "off",
      log: "json",
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    await using server = new Program(args, { shell: `ulimit -n ${LEFT}` });
    const ports = await server.ready();
    const users = await makeUsers(db, 2);
    const clients = await Promise.all(users.map(async () => (await RawClient.connect(ports.tcp)).answerPings()));
    for (const [i, client] of clients.entries()) {
      assertEquals((await client.request({ msgid: 1, id: users[i].id, token: users[i].token, proto: 2 })).errno, 0);
    }
    const [alice, bob] = clients;
    const chat = async (msg: string) => {
      using took = new Awake();
      assertEquals((await alice.request({ msgid: 6, toid: users[1].id, msg })).errno, 0);
      await bob.next((m) => m.msg === msg);
      return took.ms;
    };
    for (const name of old ? ["http", "tcp"] : ["http", "tls", "tcp"]) {
      const crowd = await Promise.all(upTo(2 * LEFT).map(() => open(ports[name])));
      await eventually(async () => (await Array.fromAsync(Deno.readDir(`/proc/${server.pid}/fd`))).length >= LEFT, `${name}: none is left`);
      const before = await cpuTime(server.pid), begun = performance.now();
      const times = [];
      for (const i of upTo(50)) times.push(await chat(`${name} ${i}`));
      assert(Math.max(...times) < 1000, `${Math.max(...times)} ms`);
      // Waiting for a descriptor is waiting, not asking again and again.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const spent = await cpuTime(server.pid) - before;
      assert(spent < (performance.now() - begun) * 0.7, `${spent} ms of CPU`);
      for (const socket of crowd) socket.destroy();
      // Every listener takes connections again.
      const response = await fetch(`http://127.0.0.1:${ports.http}/healthz`, { signal: AbortSignal.timeout(30_000) });
      assertEquals([response.status, await response.text()], [200, "alive\n"]);
      await using late = await RawClient.connect(ports.tcp);
      assertEquals((await late.request({ msgid: 13 })).msgid, 14);
      if (old) continue;
      using secure = await Deno.connectTls({ hostname: "localhost", port: ports.tls, caCerts: [await Deno.readTextFile(certificate)] });
      await secure.write(new TextEncoder().encode('{"msgid":13}\n'));
      assert((await secure.read(new Uint8Array(100)))! > 0);
    }
    for (const client of clients) await client.close();
    server.kill("SIGTERM");
    const { code, stderr } = await server.ended();
    assertEquals(code, 0);
    const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
    const warnings = lines.filter((line) => line.message === "accepting a connection failed");
    assert(warnings.length > 0 && warnings.length < 100, `${warnings.length} warnings`);
    assertEquals(lines.filter((line) => line.level === "error"), []);
  },
});
