/** The bus over Redis: publish and subscribe, one channel per node, and one that all hear: who could not send something says so there. */
import { createClient } from "@redis/client";
import { setImmediate } from "node:timers";
import { within } from "../async/within.ts";
import { log } from "../ops/log.ts";
import type { Bus, BusListener, NodeMessage } from "./bus.ts";

/** Longest pause between two tries to connect (ms), and how long one may take. */
const RECONNECT_MS = 1000, REDIS_CONNECT_MS = 3000;
/** Each link is asked this often (ms): a dead one is noticed. */
const PING_MS = 5000;
/** How long what was sent last may take to reach Redis (ms). */
const LAST_MS = 1000;
/** What may be on its way to Redis (messages): beyond it the bus counts as away. */
const MAX_PENDING = 10_000;

type Client = ReturnType<typeof createClient>;

/**
 * Joins the bus. Resolves at once, whether Redis answers or not: a node starts without its bus too.
 *
 * @param url `redis://…` or `rediss://…`
 * @param prefix what tells this cluster's channels from another's on the same Redis
 */
export function joinRedis(url: string, prefix: string, node: string, listener: BusListener): Bus {
  return new RedisBus(url, prefix, node, listener);
}

class RedisBus implements Bus {
  readonly alone = false;
  readonly #publisher: Client;
  readonly #subscriber: Client;
  readonly #node: string;
  readonly #prefix: string;
  readonly #channel: string;
  readonly #listener: BusListener;
  /** The same for every try to subscribe: Redis' client adds no listener twice. */
  readonly #hear = (text: string): void => this.#received(text);
  #subscribed = false;
  /** By node: what goes out at the end of this turn. */
  readonly #waiting = new Map<string, NodeMessage[]>();
  #pending = 0;
  /** Something did not reach Redis, and the others do not know yet. */
  #missed = false;
  /** What the log said of it last. */
  #away = false;
  #closed = false;

  constructor(url: string, prefix: string, node: string, listener: BusListener) {
    this.#node = node;
    this.#prefix = prefix;
    this.#channel = prefix + node;
    this.#listener = listener;
    const options = {
      url,
      disableOfflineQueue: true,
      pingInterval: PING_MS,
      socket: {
        connectTimeout: REDIS_CONNECT_MS,
        socketTimeout: 2 * PING_MS,
        reconnectStrategy: (tries: number) => Math.min(50 * 2 ** tries, RECONNECT_MS),
      },
    };
    this.#publisher = createClient(options);
    // To make one anew takes 40 ms: it makes a class, with a method for each of Redis' commands.
    this.#subscriber = this.#publisher.duplicate();
    this.#publisher.on("ready", () => this.#returned());
    this.#subscriber.on("ready", () => void this.#subscribe());
    for (const client of [this.#publisher, this.#subscriber]) {
      client.on("error", (error: Error) => this.#lost(error));
      // Tries again by itself, for ever; it rejects only when it is closed.
      client.connect().catch(() => {});
    }
  }

  send(node: string, message: NodeMessage): void {
    if (!this.#publisher.isReady || this.#pending >= MAX_PENDING) {
      this.#missed = true;
      return;
    }
    const waiting = this.#waiting.get(node);
    if (waiting) waiting.push(message);
    else this.#waiting.set(node, [message]);
    if (this.#waiting.size === 1 && !waiting) setImmediate(() => this.#flush());
  }

  lost(): void {
    this.#missed = true;
    this.#tellMissed();
  }

  async listens(node: string): Promise<boolean> {
    const channel = this.#prefix + node;
    return (await this.#publisher.pubSubNumSub([channel]))[channel]! > 0;
  }

  async ping(): Promise<void> {
    if (!this.#subscribed) throw new Error("the bus was not joined yet");
    await Promise.all([this.#publisher.ping(), this.#subscriber.ping()]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#flush();
    // Redis answers in the order it was asked: what was sent has reached it then.
    await within(this.#publisher.ping().catch(() => {}), LAST_MS);
    this.#publisher.destroy();
    this.#subscriber.destroy();
  }

  /** The first time; after that the client subscribes again by itself, before it is ready. */
  async #subscribe(): Promise<void> {
    try {
      if (!this.#subscribed) await this.#subscriber.subscribe([this.#channel, this.#prefix], this.#hear);
    } catch (error) {
      // The link was lost, and the next one tries again. Anything else is for whoever runs Redis to mend.
      if (this.#subscriber.isReady && !this.#closed) log.error("the bus could not be joined", { error });
      return;
    }
    this.#subscribed = true;
    this.#returned();
  }

  #flush(): void {
    for (const [node, messages] of this.#waiting) {
      void this.#publish(this.#prefix + node, messages);
    }
    this.#waiting.clear();
  }

  /** Never rejects. */
  async #publish(channel: string, messages: NodeMessage[]): Promise<void> {
    this.#pending += messages.length;
    await this.#publisher.publish(channel, JSON.stringify(messages)).catch(() => this.#missed = true);
    this.#pending -= messages.length;
    if (channel !== this.#prefix) this.#tellMissed();
  }

  /** Tells all who are on the bus that something was lost, when what is sent arrives again. Where much is sent there is always something on its way. */
  #tellMissed(): void {
    if (!this.#missed || this.#pending > MAX_PENDING / 2 || !this.#publisher.isReady || this.#closed) return;
    this.#missed = false;
    void this.#publish(this.#prefix, [{ type: "missed", node: this.#node }]);
  }

  /** Never throws: Redis' client would throw away what else it has read. */
  #received(text: string): void {
    try {
      for (const message of JSON.parse(text) as NodeMessage[]) this.#listener.received(message);
    } catch (error) {
      log.error("what came by the bus could not be read", { error });
    }
  }

  #lost(error: Error): void {
    if (!this.#away) log.warning("the bus is away; messages come by way of the log", { error });
    this.#away = true;
  }

  /** One of the two links is there (again): either may be lost without the other. */
  #returned(): void {
    if (!this.#publisher.isReady || !this.#subscriber.isReady || !this.#subscribed) return;
    if (this.#away) log.info("the bus is there");
    this.#away = false;
    this.#tellMissed();
    this.#listener.returned();
  }
}
