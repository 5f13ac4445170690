/**
 * Tells friends who came and who went.
 *
 * 1. Told 2 s late, so that a takeover, a reconnect or a storm does not flap: what is told is how things stand then. Time in which the process did not run does
 *    not count: who came back in it is not heard yet.
 * 2. It is told as the database has it by then, `lastseen` too: a user who is back on another node, or still there on another device, was not gone.
 * 3. A session knows what its client believes of its friends, from lists and news, and only what differs is sent. So whoever looked while a change was on
 *    its way, or hears of it from two nodes, is told once, and who saw neither end of it hears nothing.
 * 4. Looked up in batches, for all that changed in the same moment.
 * 5. What comes while a client's question about its friends is being answered is told behind the answer: it may be newer, or older, than what the database said.
 * 6. A node that stops tells what is due yet, if there are other nodes: there nobody else knows who went with it.
 * 7. To one who is blocked the blocker goes offline at the moment of BLOCK, and is as it is again with UNBLOCK; between the two nothing is told, so both are told then.
 */
import { laterTurn, spent } from "../async/loop.ts";
import { STOPPED_MS } from "../async/time_up.ts";
import { within } from "../async/within.ts";
import type { NodeMessage } from "../cluster/bus.ts";
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { log } from "../ops/log.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { PresenceListener } from "../presence/departure.ts";
import type { Contact, State, Store, UserId, Whereabouts } from "../store/store.ts";
import { Msg } from "../wire/msgid.ts";
import type { Pushes } from "./pushes.ts";

/** How late news are (ms). */
export const NEWS_DELAY_MS = 2000;
/** How often within that time it is looked whether some are due. */
const TICKS = 8;
/** Users looked up at once. */
const LOOKED_UP_AT_ONCE = 500;
/** Of so many of them it is asked at once whom to tell, lest those be too many. */
const TOLD_AT_ONCE = 50;

/** What friends are told. */
export type News = Pick<Contact, "id" | "state" | "lastseen">;

/** Tells friends who came and who went. */
export class PresenceNews implements PresenceListener {
  readonly #store: Store;
  readonly #table: ConnectionTable;
  readonly #router: Router;
  readonly #pushes: Pushes;
  readonly #delay: number;
  readonly #tick: number;
  /** When the news of each are due, in that order. */
  readonly #changes = new Map<UserId, number>();
  /** What each session's client believes of its friends. */
  readonly #beliefs = new WeakMap<Session, Map<UserId, State>>();
  /** What has come for sessions of which a question is being answered. */
  readonly #held = new WeakMap<Session, News[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;
  /** Called when nothing is due any more. */
  #allTold: (() => void) | undefined;
  #closed = false;

  /** `delay`: how late news are (ms). */
  constructor(parts: { store: Store; table: ConnectionTable; router: Router; pushes: Pushes }, delay: number) {
    this.#store = parts.store;
    this.#table = parts.table;
    this.#router = parts.router;
    this.#pushes = parts.pushes;
    this.#delay = delay;
    this.#tick = delay / TICKS;
  }

  /** A user may have come or gone. */
  changed(userId: UserId): void {
    if (!this.#changes.has(userId)) this.#changes.set(userId, performance.now() + this.#delay);
    this.#schedule();
  }

  /** Answers a client's question about its friends; {@linkcode listed} and the like are told of it by `answer`. Rule 5. */
  async asked<T>(session: Session, answer: () => Promise<T>): Promise<T> {
    const held: News[] = [];
    this.#held.set(session, held);
    try {
      return await answer();
    } finally {
      // By then it is sent, and the next question may be asked.
      setImmediate(() => {
        if (this.#held.get(session) === held) this.#held.delete(session);
        for (const news of held) this.#hear(session, news);
      });
    }
  }

  /**
   * Something may have been lost on its way to a session: `read` asks for its friends, and what differs is told. What comes meanwhile is told behind it, as by rule 5.
   *
   * @returns whether it is done; else it is to be asked again, for a question of the client came between, whose answer is newer
   */
  async lookAgain(session: Session, read: () => Promise<readonly News[]>): Promise<boolean> {
    if (this.#held.has(session)) return false;
    const held: News[] = [];
    this.#held.set(session, held);
    let friends: readonly News[] = [], isLast: boolean;
    try {
      friends = await read();
    } finally {
      isLast = this.#held.get(session) === held && this.#held.delete(session);
      if (isLast) { for (const news of [...friends, ...held]) this.#hear(session, news); }
    }
    return isLast;
  }

  /** A client is told its friends, all of them. */
  listed(session: Session, friends: readonly News[]): void {
    if (session.modern) this.#beliefs.set(session, new Map(friends.map(({ id, state }) => [id, state])));
  }

  /** A client is told of one more friend. */
  befriended(session: Session, { id, state }: News): void {
    this.#beliefs.get(session)?.set(id, state);
  }

  /** A client has a friend less. */
  unfriended(session: Session, id: UserId): void {
    this.#beliefs.get(session)?.delete(id);
  }

  /** Tells one user, wherever they are, at once. */
  async tell(watcher: UserId, news: News): Promise<void> {
    try {
      const found = await this.#store.whereabouts([watcher]);
      // What was found out before is not told after this.
      await this.#running;
      this.#router.send(found.get(watcher)?.nodes ?? [], { type: "presence", watchers: [watcher], ...news });
    } catch (error) {
      log.warning("a user was not told of a friend", { user: watcher, error });
      this.#router.lost();
    }
  }

  /** News for users who are here. */
  heard({ watchers, id, state, lastseen }: NodeMessage & { type: "presence" }): void {
    for (const watcher of watchers) {
      for (const session of this.#table.of(watcher)) if (session.modern) this.#hear(session, { id, state, lastseen });
    }
  }

  /** Tells other nodes what is due within `ms`, then nothing more; resolves when what is under way is done. */
  async close(ms: number): Promise<void> {
    const due = this.#changes.size > 0 || this.#running;
    if (due && !this.#router.alone) await within(new Promise<void>((resolve) => this.#allTold = resolve), ms);
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #hear(session: Session, news: News): void {
    const held = this.#held.get(session);
    if (held) held.push(news);
    else this.#pushes.push(session, `presence of ${news.id}`, () => this.#tellHere(session, news));
  }

  /** Tells a client, if it is a friend of its, and news to it. */
  #tellHere(session: Session, { id, state, lastseen }: News): void {
    const beliefs = this.#beliefs.get(session);
    const believed = beliefs?.get(id);
    if (believed === undefined || believed === state) return;
    beliefs!.set(id, state);
    // Clients of 0.1 were always told a number.
    session.connection.send({ msgid: Msg.PRESENCE, id, state, lastseen: session.dialect === 2 ? lastseen ?? Date.now() : lastseen });
  }

  #schedule(ms = this.#tick): void {
    if (this.#timer !== undefined || this.#running || this.#closed) return;
    const due = performance.now() + ms;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const stopped = performance.now() - due;
      if (stopped > STOPPED_MS) { for (const [userId, at] of this.#changes) this.#changes.set(userId, at + stopped); }
      this.#running = this.#tell().then((more) => {
        this.#running = undefined;
        if (this.#changes.size > 0) this.#schedule(more ? 0 : this.#tick);
        else this.#allTold?.();
      });
    }, ms);
  }

  /** Tells the first of what is due. @returns whether more is. */
  async #tell(): Promise<boolean> {
    const now = performance.now();
    const due: UserId[] = [];
    let more = false;
    for (const [userId, at] of this.#changes) {
      more = at <= now && due.length >= LOOKED_UP_AT_ONCE;
      if (at > now || more) break;
      this.#changes.delete(userId);
      due.push(userId);
    }
    if (due.length === 0) return false;
    try {
      const found = await this.#store.whereabouts(due);
      const settled = due.filter((userId) => this.#isSettled(userId, found.get(userId)));
      for (let i = 0; i < settled.length; i += TOLD_AT_ONCE) {
        const watchers = await this.#store.watchers(settled.slice(i, i + TOLD_AT_ONCE));
        /** By node and user: whom to tell. */
        const told = new Map<string, Map<UserId, UserId[]>>();
        for (const { userId, watcher, node } of watchers) {
          const users = told.get(node) ?? told.set(node, new Map()).get(node)!;
          const there = users.get(userId);
          if (there) there.push(watcher);
          else users.set(userId, [watcher]);
        }
        for (const [node, users] of told) {
          for (const [userId, to] of users) {
            if (spent()) await laterTurn();
            this.#router.send([node], { type: "presence", watchers: to, ...newsOf(userId, found.get(userId)!) });
          }
        }
      }
    } catch (error) {
      log.warning("news of users are late", { count: due.length, error });
      for (const userId of due) this.changed(userId);
    }
    return more;
  }

  /** Gone from here, and the database was not told yet: later. */
  #isSettled(userId: UserId, found: Whereabouts | undefined): boolean {
    if (!found) return false;
    if (!found.nodes.includes(this.#router.node) || this.#table.of(userId).length > 0) return true;
    this.changed(userId);
    return false;
  }
}

function newsOf(id: UserId, { nodes, lastseen }: Whereabouts): News {
  return { id, state: nodes.length > 0 ? "online" : "offline", lastseen };
}
