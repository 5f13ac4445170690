// The conformance suite: natter passes it over every transport, and a server that is wrong does not.

import { assert, assertEquals } from "@std/assert";
import { checks, conformance } from "../conformance/main.ts";
import { parseTarget } from "../conformance/target.ts";
import { testDatabase } from "./support/databases.ts";
import { startServer } from "./support/server.ts";

const certificate = new URL("./support/localhost_cert.pem", import.meta.url).pathname;
const caCerts = [await Deno.readTextFile(certificate)];
const settings = {
  "tls-listen": "127.0.0.1:0",
  "tls-cert": certificate,
  "tls-key": new URL("./support/localhost_key.pem", import.meta.url).pathname,
  http: "127.0.0.1:0",
  limits: "off",
  heartbeat: 2,
};

/** Runs the suite, or some of it. @returns what it said, and its exit code */
async function run(address: string, some = checks): Promise<{ said: string[]; code: number }> {
  const said: string[] = [];
  const code = await conformance(parseTarget(address, caCerts), (line) => said.push(line), some);
  return { said, code };
}

/** The lines of the checks that failed. */
const failed = (said: string[]) => said.filter((line) => line.startsWith("not ok"));

type Tamper = (message: Record<string, unknown>) => unknown[];

/** Listens in front of a server, and passes everything on, after `head`, but the server's lines, each of which `tamper` may change, drop or double. */
function tamperingProxy(port: number, tamper: Tamper, head = ""): { port: number } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const pipes: Promise<unknown>[] = [];
  const serving = (async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ port });
      await server.write(new TextEncoder().encode(head));
      const answers = server.readable.pipeThrough(new TextDecoderStream()).pipeThrough(linesThrough(tamper)).pipeThrough(new TextEncoderStream());
      pipes.push(client.readable.pipeTo(server.writable), answers.pipeTo(client.writable));
      pipes.at(-1)!.catch(() => {});
      pipes.at(-2)!.catch(() => {});
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
      await Promise.allSettled(pipes);
    },
  };
}

function linesThrough(tamper: Tamper): TransformStream<string, string> {
  let unfinished = "";
  return new TransformStream({
    transform(text, controller) {
      const lines = (unfinished + text).split("\n");
      unfinished = lines.pop()!;
      for (const line of lines) for (const message of tamper(JSON.parse(line))) controller.enqueue(JSON.stringify(message) + "\n");
    },
  });
}

Deno.test("conformance: natter passes over TCP, TLS and WebSocket", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  const { tcp, tls, http } = server.server.addresses;
  const runs = await Promise.all(
    [`127.0.0.1:${tcp.port}`, `tls://localhost:${tls!.port}`, `ws://127.0.0.1:${http!.port}`].map((address) => run(address)),
  );
  for (const { said, code } of runs) assertEquals([failed(said), code], [[], 0], said.join("\n"));
  // What one transport leaves out, another one has seen.
  const lines = runs.flatMap(({ said }) => said);
  for (const { rule, title } of checks) assert(lines.some((line) => line.endsWith(` - ${rule} ${title}`)), `${rule} ${title} was never made`);
});

Deno.test("conformance: each rule that is checked stands in docs/protocol.md", async () => {
  const text = await Deno.readTextFile(new URL("../docs/protocol.md", import.meta.url));
  for (const { rule } of checks) assert(text.includes(`**${rule}**`), rule);
});

/** Faults, and a rule that each must break. */
const faults: [fault: string, rule: string, tamper: Tamper][] = [
  ["delivers each message twice", "6.6", (m) => m.msgid === 6 && m.seq !== undefined ? [m, m] : [m]],
  ["counts from 0", "6.5", (m) => [m.seq === undefined ? m : { ...m, seq: Number(m.seq) - 1 }]],
  ["takes one failure for another", "5.2", (m) => [m.errno === 1 ? { ...m, errno: 16 } : m]],
];

Deno.test("conformance: a server that is wrong fails, each fault where it belongs", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, settings);
  await Promise.all(faults.map(async ([fault, rule, tamper]) => {
    await using proxy = tamperingProxy(server.port, tamper);
    const { said, code } = await run(`tcp://127.0.0.1:${proxy.port}`, checks.filter((check) => !check.slow));
    assertEquals(code, 1, fault);
    assert(failed(said).some((line) => line.includes(` - ${rule} `)), `a server that ${fault}:\n${said.join("\n")}`);
  }));
});

Deno.test("conformance: a user's own limits do not stop it, only those of an address do", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db);
  // Those that ask for more than a user has at once.
  const many = ["6.13", "6.17", "6.22", "6.28"];
  const { said, code } = await run(`127.0.0.1:${server.port}`, checks.filter(({ rule }) => many.includes(rule)));
  assertEquals(code, 0, said.join("\n"));
});

Deno.test("conformance: limits that stop it, something else, or nobody there: it says so, exit code 2", async () => {
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { "trusted-proxy": "127.0.0.1" });
  await using proxy = tamperingProxy(server.port, (m) => [m], "PROXY TCP4 203.0.113.1 127.0.0.1 4000 6000\r\n");
  const limited = await run(`127.0.0.1:${proxy.port}`);
  assertEquals(limited.code, 2);
  assert(/^Bail out! The server's limits stop the suite .*--limits off/.test(limited.said.at(-1)!), limited.said.at(-1));

  await using http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("hello"));
  const other = await run(`127.0.0.1:${http.addr.port}`);
  assertEquals([other.code, other.said.at(-1)!.startsWith("Bail out! this does not speak the protocol")], [2, true], other.said.at(-1));

  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  const nobody = await run(`127.0.0.1:${listener.addr.port}`);
  assertEquals([nobody.code, nobody.said.at(-1)!.startsWith("Bail out! nobody can be reached there")], [2, true], nobody.said.at(-1));
});
