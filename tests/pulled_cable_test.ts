// The cable is pulled: the server is at one end of a link that goes down, so that the kernel itself does not know. With the kernel's own patience lowered.

import { assert, assertEquals } from "@std/assert";
import { hasMysql, register, type TestDatabase, testDatabase } from "./support/databases.ts";
import { forward, Network, noNetwork } from "./support/network.ts";
import { fromSource, Program } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { countOnline, eventually, makeUsers, stateOf, type TestUser } from "./support/server.ts";

/** `--heartbeat` (s), and within what its doubled silence is in the database, a returning user is in, and friends are told (ms). */
const HEARTBEAT = 1, SEEN = 2 * HEARTBEAT * 1000 + 1000, RETURN = 2000, NEWS = 3500;
/** When users come back after the cable was pulled (ms). */
const RETURNS = [0, 1000, 1900, 2500];
/**
 * TCP gives up a silent peer: one that it asks after 2 s of idleness, 6 times, 1 s apart; one that it has something for after 3 retries. The first question may
 * be due when the cable is pulled: it is 6 s at least until an idle one is given up, twice what is waited for before it is looked at.
 */
const PATIENCE = {
  "net.ipv4.tcp_keepalive_time": 2,
  "net.ipv4.tcp_keepalive_intvl": 1,
  "net.ipv4.tcp_keepalive_probes": 6,
  "net.ipv4.tcp_retries2": 3,
};
/** By then it has (ms). */
const GIVEN_UP = 10_000;

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The way to a server that goes over the cable, and the way that does not. */
interface Ways {
  db: TestDatabase;
  byCable: { hostname: string; port: number };
  direct: { hostname: string; port: number };
}

async function login({ hostname, port }: Ways["direct"], { id, token }: TestUser, fields: object = { proto: 2 }): Promise<RawClient> {
  const client = await RawClient.connect(port, { hostname });
  const ack = await client.login({ id, token, ...fields });
  if (ack.errno !== 0) await client.close();
  assertEquals(ack.errno, 0, JSON.stringify(ack));
  return client.answerPings();
}

/** Plays on one server: `pull` resolves when the cable has been pulled for all. */
async function play({ db, byCable, direct }: Ways, pull: () => Promise<void>): Promise<void> {
  await using clients = new AsyncDisposableStack();
  const [friend, gone, idle, written, ...returning] = await makeUsers(db, 4 + RETURNS.length) as [TestUser, TestUser, TestUser, TestUser];
  const watcher = clients.use(await login(direct, friend));
  for (const user of [gone, ...returning]) {
    await watcher.request({ msgid: 7, friendid: user.id });
    clients.use(await login(byCable, user));
  }
  for (const user of [idle, written]) clients.use(await login(byCable, user, {}));
  for (const { id } of [gone, ...returning]) await watcher.next((m) => m.msgid === 15 && m.id === id);

  await pull();
  const pulled = performance.now();
  // What is sent to this one never gets an ACK.
  assertEquals((await watcher.request({ msgid: 6, toid: written.id, msg: "are you there?" })).errno, 0);
  const back = Promise.all(returning.map(async (user, i) => {
    await delay(Math.max(0, RETURNS[i]! - (performance.now() - pulled)));
    const { loginTook } = clients.use(await login(direct, user));
    assert(loginTook <= RETURN, `a login ${RETURNS[i]} ms after the cable was pulled took ${loginTook} ms`);
  }));
  // Should something else fail first, that is to be told.
  back.catch(() => {});
  await eventually(async () => await stateOf(db, gone.id) === "offline", "offline after two heartbeats", SEEN - (performance.now() - pulled));
  // A classic client cannot be asked: it is in use.
  await using refused = await RawClient.connect(direct.port, direct);
  assertEquals((await refused.login({ id: idle.id, token: idle.token })).errno, 2);
  assertEquals(await stateOf(db, idle.id), "online");
  const news = await watcher.next((m) => m.msgid === 15, NEWS);
  assertEquals([news.id, news.state], [gone.id, "offline"]);
  await back;
  for (const user of [idle, written]) await eventually(async () => await stateOf(db, user.id) === "offline", "TCP gives up", GIVEN_UP);
  clients.use(await login(direct, idle, {}));
  const again = clients.use(await RawClient.connect(direct.port, direct));
  const { errno, offlinemsg } = await again.login({ id: written.id, token: written.token });
  assertEquals([errno, (offlinemsg as string[]).map((text) => JSON.parse(text).msg)], [0, ["are you there?"]]);
  assertEquals(await countOnline(db), 3 + RETURNS.length);
}

async function pulledCable(): Promise<void> {
  using network = Network.make(PATIENCE);
  await using stack = new AsyncDisposableStack();
  const env = Deno.env.toObject();
  const databases: { db: TestDatabase; port: number }[] = [];
  for (const kind of hasMysql ? ["sqlite", "mysql"] as const : ["sqlite"] as const) {
    const db = stack.use(await testDatabase(kind));
    await (await db.open()).close();
    const url = new URL(db.url);
    if (kind === "mysql") {
      const way = stack.use(await forward(network.host, { hostname: url.hostname, port: Number(url.port || 3306) }));
      url.host = `${network.host}:${way.port}`;
    }
    const args = ["--listen", "0.0.0.0:0", "--http", "off", "--database", url.href, "--heartbeat", String(HEARTBEAT), "--limits", "off"];
    const server = stack.use(new Program(args, { program: [...network.at("server"), ...fromSource], env }));
    databases.push({ db, port: (await server.ready()).tcp! });
  }
  const relay = new URL("support/network.ts", import.meta.url).pathname;
  const program = [...network.at("clients"), Deno.execPath(), "run", "-A", "--quiet", relay];
  const relays = stack.use(
    new Program([network.clients, network.serverByCable, ...databases.map(({ db, port }) => `${db.kind}=${port}`)], { program, env }),
  );
  const ports = await relays.ready();

  let ready = 0;
  const pulled = Promise.withResolvers<void>();
  const pull = () => {
    if (++ready === databases.length) {
      network.pull();
      pulled.resolve();
    }
    return pulled.promise;
  };
  await Promise.all(
    databases.map(({ db, port }) =>
      play({ db, byCable: { hostname: network.clients, port: ports[db.kind]! }, direct: { hostname: network.server, port } }, pull)
    ),
  );
}

register(
  "pulled cable: offline after two heartbeats, back within 2 s at any moment; a classic client ends when TCP gives it up",
  noNetwork === undefined ? pulledCable : undefined,
);
