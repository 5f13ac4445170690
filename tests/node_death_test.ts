// One node is killed, another is stopped for longer than its lease, a third is cut off in silence: nobody stays online, nobody waits for a login without need,
// and nothing acknowledged is lost.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { assertErrno, chats, nothingElse, upTo } from "./support/chat.ts";
import { threeDevices } from "./support/companions.ts";
import { clusterTest, proxied, spawnNode, startNode } from "./support/nodes.ts";
import { RawClient } from "./support/raw_client.ts";
import { redisUrl } from "./support/redis.ts";
import { eventually, makeUsers, type TestUser } from "./support/server.ts";

const PER_SENDER = 200, RECEIVERS = 10;
/** What the machine may add to "at once" (ms). With three devices three times as many come: half of a lease, which a login would wait for that does not know of the death. */
const AT_ONCE = threeDevices() ? 5000 : 2000;

async function login(node: { port: number }, user: TestUser): Promise<RawClient> {
  const client = (await RawClient.connect(node.port)).answerPings();
  const ack = await client.login({ id: user.id, token: user.token, proto: 2 });
  if (ack.errno !== 0) throw new Error(`login of ${user.name} refused: ${JSON.stringify(ack)}`);
  return client;
}

/** Sends numbered messages to all receivers in turn, each with a `mid`, and again to another node what was not answered. */
class Sender {
  readonly #unanswered: Map<string, object>;

  constructor(readonly user: TestUser, receivers: TestUser[]) {
    const messages = upTo(PER_SENDER).map((i) => ({ msgid: 6, toid: receivers[i % receivers.length].id, msg: `${i}`, mid: `${user.id}-${i}` }));
    this.#unanswered = new Map(messages.map((message) => [message.mid, { ...message, ref: message.mid }]));
  }

  get answered(): number {
    return PER_SENDER - this.#unanswered.size;
  }

  /** Resolves when all is answered, or the connection has ended. */
  async send(client: RawClient): Promise<void> {
    if (this.#unanswered.size === 0) return;
    for (const message of this.#unanswered.values()) client.send(message);
    for await (const { msgid, errno, ref } of client) {
      if (msgid === 11 && errno === 0) this.#unanswered.delete(ref as string);
      if (this.#unanswered.size === 0) return;
    }
  }
}

clusterTest(
  "a node is killed with 200 online, another stopped, a third cut off in silence: logins go on at once, offline within 15 s, every message once, no harm done after",
  async (db) => {
    // A store makes the tables; then they start together.
    await (await db.open()).close();
    const names = ["killed", "stopped", "living"];
    const [killed, stopped, living] = await Promise.all(names.map((name) => spawnNode(db, name, { limits: "off", "log-level": "error" })));
    await using _killed = killed, _stopped = stopped, _living = living;
    const toRedis = await proxied(redisUrl), toMysql = await proxied(db.url);
    await using redis = toRedis.proxy, mysql = toMysql.proxy;
    await using silent = await startNode(db, "silent", {}, { redis: toRedis.url, database: toMysql.url });
    const users = await makeUsers(db, 225);
    const onKilled = users.slice(0, 200), onStopped = users.slice(200, 220), onLiving = users.slice(220, 222), onSilent = users.slice(222);
    const gone = await Promise.all(onKilled.map((user) => login(killed, user)));
    const kept = await Promise.all(onStopped.map((user) => login(stopped, user)));
    const there = await Promise.all(onLiving.map((user) => login(living, user)));
    const unheard = await Promise.all(onSilent.map((user) => login(silent, user)));
    const count = async (node: string) =>
      Number((await db.query(`select count(distinct userid) as n from device where session is not null and node = '${node}'`))[0].n);
    assertEquals([await count("killed"), await count("stopped"), await count("silent")], [200, 20, 3]);

    // The senders are on both sides of the death, all receivers on the node that dies.
    const receivers = onKilled.slice(0, RECEIVERS);
    const senders = [...onKilled.slice(RECEIVERS, RECEIVERS + 4), ...onLiving].map((user) => new Sender(user, receivers));
    const clients = [...gone.slice(RECEIVERS, RECEIVERS + 4), ...there];
    const sending = senders.map((sender, i) => sender.send(clients[i]));
    await eventually(() => senders.some((sender) => sender.answered >= 20), "some are acknowledged");
    stopped.process.kill("SIGSTOP");
    for (const proxy of [redis, mysql]) proxy.freeze();
    await killed.stop("SIGKILL");
    const since = performance.now();

    // Half of them are back at once, on another node.
    const back = await Promise.all(onKilled.slice(0, 100).map((user) => login(living, user)));
    const took = performance.now() - since;
    assert(took < AT_ONCE, `100 logins on another node took ${took} ms`);
    await Promise.all(sending);
    assert(senders.slice(0, 4).some((sender) => sender.answered < PER_SENDER), "the death came in the middle");
    await Promise.all(senders.slice(0, 4).map((sender, i) => sender.send(back[RECEIVERS + i])));
    assertEquals(senders.map((sender) => sender.answered), senders.map(() => PER_SENDER));
    const each = senders.length * PER_SENDER / RECEIVERS;
    for (const client of back.slice(0, RECEIVERS)) {
      const got = await chats(client, each);
      assertEquals(got.map((m) => m.seq), upTo(each));
      assertEquals(new Set(got.map((m) => m.mid)).size, each, "each of them once");
      for (const { user } of senders) {
        const order = got.filter((m) => m.id === user.id).map((m) => m.messageid!);
        assertEquals(order, order.toSorted((x, y) => x - y));
      }
      await nothingElse(client);
    }

    // Nobody can tell yet that the stopped node and the silent one will not go on.
    for (const user of [onStopped[0], onSilent[0]]) await assertRejects(() => login(living, user), Error, '"errno":2');
    assertErrno(await unheard[0].request({ msgid: 6, toid: onLiving[0].id, msg: "lost" }, 12_000), 19);

    // The others are offline when the leases have run out.
    await eventually(async () => await count("killed") + await count("stopped") + await count("silent") === 0, "offline", 20_000);
    const offline = performance.now() - since;
    assert(offline < 15_000, `offline after ${offline} ms`);
    assertEquals(await count("living"), 102);

    // Of the stopped node's users some have moved when it goes on. It keeps the others, who notice nothing.
    // So does the one that was cut off.
    const movers = await Promise.all(onStopped.slice(0, 5).map((user) => login(living, user)));
    stopped.process.kill("SIGCONT");
    for (const proxy of [redis, mysql]) proxy.thaw();
    for (const client of kept.slice(0, 5)) assertEquals((await client.next((m) => m.msgid === 20)).reason, "replaced");
    await eventually(async () => await count("stopped") === 15, "who stayed is online again");
    await eventually(async () => await count("silent") === 3, "who was there is online again");
    assertEquals(await count("living"), 107);
    for (const client of [...kept.slice(5), ...unheard]) assertErrno(await client.request({ msgid: 17 }), 0);
    assertErrno(await movers[0].request({ msgid: 6, toid: onStopped[10].id, msg: "here?" }), 0);
    assertEquals((await chats(kept[10], 1))[0].msg, "here?");
    await Promise.all([...gone, ...kept, ...unheard, ...there, ...back, ...movers].map((client) => client.close()));
  },
);
