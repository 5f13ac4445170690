/**
 * Tells friends who came and who went.
 *
 * 1. Told 2 s late, so that a takeover, a reconnect or a storm does not flap: what is told is how things stand then.
 * 2. Only what the database confirms by then is told: a user who is back on another node was not gone.
 * 3. A session knows what its client believes of its friends, from lists and news, and only what differs is sent. So whoever looked while a change was on
 *    its way, or hears of it from two nodes, is told once, and who saw neither end of it hears nothing.
 * 4. Looked up in batches, for all that changed in the same moment.
 */
import { log } from "../ops/log.ts";
import type { Bus } from "../cluster/bus.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { PresenceListener } from "../presence/departure.ts";
import type { State, Store, UserId } from "../store/store.ts";
import { Msg } from "../wire/msgid.ts";

/** How late news are (ms), and how often within that time it is looked whether some are due. */
const DELAY_MS = 2000, TICKS = 8;
/** Users looked up at once. */
const BATCH = 500;

interface Change {
  userId: UserId;
  state: State;
  at: number;
  due: number;
}

/** What friends are told. */
export interface News {
  /** The friend. */
  id: UserId;
  /** What the friend is now. */
  state: State;
  /** Since when (ms since the epoch). */
  lastseen: number;
}

/** Tells friends who came and who went. */
export class PresenceNews implements PresenceListener {
  readonly #store: Store;
  readonly #table: ConnectionTable;
  readonly #node: string;
  readonly #delay: number;
  readonly #tick: number;
  #bus: Bus | undefined;
  /** In the order they are due. */
  readonly #changes = new Map<UserId, Change>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  /** `node` is this node's name: friends elsewhere are told over the bus. `delay`: how late (ms). */
  constructor(store: Store, table: ConnectionTable, node: string, delay: number = DELAY_MS) {
    this.#store = store;
    this.#table = table;
    this.#node = node;
    this.#delay = delay;
    this.#tick = delay / TICKS;
  }

  /** Sets the way to friends on other nodes. */
  use(bus: Bus): void {
    this.#bus = bus;
  }

  /** A user came or went, at `at` (ms since the epoch). */
  changed(userId: UserId, state: State, at: number): void {
    const change = this.#changes.get(userId);
    if (change) Object.assign(change, { state, at });
    else this.#changes.set(userId, { userId, state, at, due: performance.now() + this.#delay });
    this.#schedule();
  }

  /** Tells nothing more; resolves when what is under way is done. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(ms = this.#tick): void {
    if (this.#timer !== undefined || this.#running || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#tell().then((more) => {
        this.#running = undefined;
        if (this.#changes.size > 0) this.#schedule(more ? 0 : this.#tick);
      });
    }, ms);
  }

  /** Tells the first of what is due. @returns whether more is. */
  async #tell(): Promise<boolean> {
    const now = performance.now();
    const due = new Map<UserId, Change>();
    let more = false;
    for (const change of this.#changes.values()) {
      more = change.due <= now && due.size >= BATCH;
      if (change.due > now || more) break;
      this.#changes.delete(change.userId);
      due.set(change.userId, change);
    }
    if (due.size === 0) return false;
    try {
      await this.#check(due);
      const watchers = due.size > 0 ? await this.#store.watchers([...due.keys()]) : [];
      /** By node and user: whom to tell. */
      const elsewhere = new Map<string, Map<UserId, UserId[]>>();
      for (const { userId, watcher, node } of watchers) {
        if (node === this.#node) this.tellHere(watcher, newsOf(due.get(userId)!));
        else {
          const users = elsewhere.get(node) ?? elsewhere.set(node, new Map()).get(node)!;
          users.set(userId, [...users.get(userId) ?? [], watcher]);
        }
      }
      for (const [node, users] of elsewhere) {
        for (const [userId, to] of users) this.#bus?.send(node, { type: "presence", watchers: to, ...newsOf(due.get(userId)!) });
      }
    } catch (error) {
      log.warning("news of users are late", { count: due.size, error });
      for (const change of due.values()) this.#again(change);
    }
    return more;
  }

  /** Drops what the database does not say (any more): the user has come back, perhaps on another node, or gone again. */
  async #check(due: Map<UserId, Change>): Promise<void> {
    const nodes = await this.#store.nodesOf([...due.keys()]);
    for (const [userId, change] of due) {
      const node = nodes.get(userId);
      if ((node === undefined ? "offline" : "online") === change.state) continue;
      due.delete(userId);
      // Gone from here, and the database was not told yet.
      if (node === this.#node && !this.#table.get(userId)) this.#again(change);
    }
  }

  /** What changed again meanwhile knows better. */
  #again(change: Change): void {
    if (!this.#changes.has(change.userId)) this.#changes.set(change.userId, { ...change, due: performance.now() + this.#delay });
  }

  /** Tells one who is logged in here, if it is news to its client. */
  tellHere(watcher: UserId, { id, state, lastseen }: News): void {
    const session = this.#table.get(watcher);
    if (!session?.modern || session.cursor === undefined || session.connection.congested || !session.believes({ id, state })) return;
    session.connection.send({ msgid: Msg.PRESENCE, id, state, lastseen });
  }
}

function newsOf({ userId, state, at }: Change): News {
  return { id: userId, state, lastseen: at };
}
