// The bus between nodes: what every bus promises, and what the one over Redis does when Redis is away.

import { assertEquals } from "@std/assert";
import type { Bus, BusListener, NodeMessage } from "../src/cluster/bus.ts";
import { LocalHub } from "../src/cluster/local.ts";
import { joinRedis } from "../src/cluster/redis.ts";
import { upTo } from "./support/chat.ts";
import { proxied } from "./support/nodes.ts";
import type { Proxy, Verdict } from "./support/proxy.ts";
import { listened, redisUrl, useRedis } from "./support/redis.ts";
import { eventually } from "./support/server.ts";

/** A message that can be told from others. */
const numbered = (number: number): NodeMessage => ({ type: "probed", number, alive: true });

class Ear implements BusListener {
  readonly messages: NodeMessage[] = [];
  returns = 0;

  received(message: NodeMessage): void {
    this.messages.push(message);
  }

  returned(): void {
    this.returns++;
  }

  get numbers(): (number | undefined)[] {
    return this.messages.flatMap((m) => m.type === "missed" ? [] : [m.type === "probed" ? m.number : undefined]);
  }

  /** Who has told that something was lost. */
  get missed(): string[] {
    return this.messages.flatMap((m) => m.type === "missed" ? m.node : []);
  }

  /** Resolves when that message has come. */
  async heard(number: number): Promise<void> {
    await eventually(() => this.numbers.includes(number), `message ${number}`);
  }
}

/** A bus of one kind, with nodes that are known to be on it. */
interface Kind {
  name: string;
  ignore: boolean;
  /** Puts these nodes on one new bus. */
  join(listeners: Record<string, Ear>): Promise<Record<string, Bus>>;
}

const prefix = () => `natter:test_${crypto.randomUUID()}:`;

const kinds: Kind[] = [{
  name: "local",
  ignore: false,
  join(listeners) {
    const hub = new LocalHub();
    return Promise.resolve(Object.fromEntries(Object.entries(listeners).map(([node, listener]) => [node, hub.join(node, listener)])));
  },
}, {
  name: "redis",
  ignore: !useRedis,
  async join(listeners) {
    const common = prefix();
    const buses = Object.fromEntries(Object.entries(listeners).map(([node, listener]) => [node, joinRedis(redisUrl, common, node, listener)]));
    await listened(Object.keys(listeners).map((node) => common + node));
    await eventually(() => Object.values(listeners).every(({ returns }) => returns === 1), "all are told that the bus is there");
    return buses;
  },
}];

for (const { name, ignore, join } of kinds) {
  Deno.test({
    name: `a bus carries messages in order, whole, and to the named node only [${name}]`,
    ignore,
    fn: async () => {
      const [a, b, c] = [new Ear(), new Ear(), new Ear()];
      const buses = await join({ a, b, c });
      await buses.a.ping();
      const rich: NodeMessage[] = [
        { type: "deliver", head: '{"msgid":6,"msg":"grüße \\n 😀"', receivers: [[1, 2], [3, 4]] },
        { type: "presence", watchers: [1, 2], id: 3, state: "offline", lastseen: 1234567890123 },
        { type: "signal", from: 1, to: [2], line: "{}" },
        { type: "probe", number: 7, node: "a", userId: 1, device: 2, session: "s", ask: false },
        { type: "ended", cause: "replaced", key: { userId: 1, device: 2, session: "s" } },
      ];
      for (const message of rich) buses.a.send("b", message);
      buses.a.send("nobody", numbered(1));
      assertEquals([await buses.a.listens("b"), await buses.a.listens("nobody")], [true, false]);
      // Some in one turn of the event loop, some in turns of their own.
      for (const number of upTo(500)) {
        buses.a.send(number % 2 ? "b" : "c", numbered(number));
        if (number % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
      }
      buses.b.send("b", numbered(1000));
      await Promise.all([b.heard(499), c.heard(500), b.heard(1000)]);
      assertEquals(b.messages.slice(0, rich.length), rich);
      assertEquals(b.numbers.filter((n) => n !== undefined && n < 1000), upTo(500).filter((n) => n % 2));
      assertEquals(c.numbers, upTo(500).filter((n) => n % 2 === 0));
      assertEquals(a.messages, []);

      // A node that has left hears nothing any more, and the others go on.
      const before = b.messages.length;
      await buses.b.close();
      buses.a.send("b", numbered(2000));
      buses.b.send("c", numbered(2001));
      buses.a.send("c", numbered(2002));
      await c.heard(2002);
      assertEquals(b.messages.length, before);
      await eventually(async () => !await buses.a.listens("b"), "nobody listens where b was");
      buses.a.lost();
      await eventually(() => c.missed.length > 0, "c is told that something was lost");
      assertEquals([b.missed, c.missed], [[], ["a"]]);
      await Promise.all([buses.a.close(), buses.c.close()]);
    },
  });
}

/** Node a by way of a proxy, node b straight. */
function awayTest(
  name: string,
  fn: (t: { a: Bus; b: Bus; heardA: Ear; heardB: Ear; proxy: Proxy }) => Promise<void>,
) {
  Deno.test({
    name,
    ignore: !useRedis,
    fn: async () => {
      const { url, proxy: started } = await proxied(redisUrl);
      await using proxy = started;
      const common = prefix();
      const [heardA, heardB] = [new Ear(), new Ear()];
      const a = joinRedis(url, common, "a", heardA), b = joinRedis(redisUrl, common, "b", heardB);
      await listened([`${common}a`, `${common}b`]);
      await eventually(() => heardA.returns === 1 && heardB.returns === 1, "both are told that the bus is there");
      await fn({ a, b, heardA, heardB, proxy });
      await Promise.all([a.close(), b.close()]);
    },
  });
}

/** Both ways work, and nothing came but what is listed. */
async function works(t: { a: Bus; b: Bus; heardA: Ear; heardB: Ear }, number: number): Promise<void> {
  t.a.send("b", numbered(number));
  t.b.send("a", numbered(number));
  await Promise.all([t.heardA.heard(number), t.heardB.heard(number)]);
}

awayTest("Redis away and back: what was sent meanwhile is dropped, the node is told, and all works again", async (t) => {
  await works(t, 1);
  t.proxy.refuse = true;
  t.proxy.cut();
  await eventually(async () => !await t.a.ping().then(() => true, () => false), "a notices");
  for (const number of upTo(100, 100)) {
    t.a.send("b", numbered(number));
    t.b.send("a", numbered(number));
  }
  // b's have gone to nobody once b has heard its own.
  t.b.send("b", numbered(2));
  await t.heardB.heard(2);
  assertEquals(t.heardA.returns, 1);
  t.proxy.refuse = false;
  await eventually(() => t.heardA.returns === 2, "a is told that the bus is back");
  await works(t, 3);
  assertEquals([t.heardA.numbers, t.heardB.numbers, t.heardB.returns], [[1, 3], [1, 2, 3], 1]);
  assertEquals(t.heardB.missed, ["a"]);
});

awayTest("Redis: the link that publishes is lost alone, and comes back", async (t) => {
  let cut = false;
  t.proxy.inspect = ({ direction, data }) => {
    if (cut || direction !== "up" || !new TextDecoder().decode(data).includes("PUBLISH")) return "pass";
    cut = true;
    return "cut";
  };
  t.a.send("b", numbered(1));
  await eventually(() => cut && t.heardA.returns === 2, "a is told that the bus is back");
  await works(t, 2);
  assertEquals([t.heardA.numbers, t.heardB.numbers], [[2], [2]]);
  assertEquals(t.heardB.missed, ["a"]);
});

awayTest("Redis is slow: that too much was sent is told as soon as there is room again, though never all of it has arrived", async (t) => {
  const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let publishing: number | undefined, answered = 0;
  t.proxy.inspect = async ({ connection, direction, data }): Promise<Verdict> => {
    if (direction === "up" && publishing === undefined && new TextDecoder().decode(data.subarray(0, 100)).includes("PUBLISH")) {
      publishing = connection;
    } else if (direction === "down" && connection === publishing) await answers[answered++]?.promise;
    return "pass";
  };
  for (const number of upTo(9999)) t.a.send("b", numbered(number));
  await t.heardB.heard(9999);
  t.a.send("b", numbered(10_000));
  await t.heardB.heard(10_000);
  t.a.send("b", numbered(10_001));
  answers[0]!.resolve();
  await eventually(() => t.heardB.missed.length > 0, "b is told");
  // Not because Redis' silence made an end of the link, and so of what was under way.
  assertEquals(t.heardA.returns, 1);
  answers[1]!.resolve();
  await works(t, 10_002);
  assertEquals([t.heardB.numbers.includes(10_001), t.heardB.missed], [false, ["a"]]);
});

Deno.test({
  name: "Redis: a link that is lost before it has subscribed joins the bus all the same, and the bus is not there before",
  ignore: !useRedis,
  fn: async () => {
    const { url, proxy: started } = await proxied(redisUrl);
    await using proxy = started;
    const ear = new Ear();
    const seen = Promise.withResolvers<void>(), open = Promise.withResolvers<void>();
    let tries = 0;
    proxy.inspect = async ({ direction, data }) => {
      if (direction !== "up" || !new TextDecoder().decode(data).includes("subscribe") || ++tries > 2) return "pass";
      if (tries === 1) return "cut";
      seen.resolve();
      await open.promise;
      return "pass";
    };
    const bus = joinRedis(url, prefix(), "a", ear);
    await seen.promise;
    assertEquals([ear.returns, await bus.ping().then(() => true, () => false)], [0, false]);
    open.resolve();
    await eventually(() => ear.returns === 1, "the bus is there");
    await bus.ping();
    bus.send("a", numbered(1));
    await ear.heard(1);
    assertEquals(ear.numbers, [1]);
    await bus.close();
  },
});

Deno.test("Redis that nobody answers for: a node starts and stops without it, and sending is nothing", async () => {
  const ear = new Ear();
  const bus = joinRedis("redis://127.0.0.1:1", prefix(), "a", ear);
  bus.send("b", numbered(1));
  let failed = false;
  await bus.ping().catch(() => failed = true);
  await bus.close();
  assertEquals([failed, ear.returns], [true, 0]);
});
