/**
 * Sessions on other nodes: asking whether they live, and telling that they were taken over.
 *
 * 1. The node answers for its session. Without an answer the session is alive, as long as the node's lease is valid.
 * 2. Unless that node is gone: nobody listens on its channel **and** nobody holds its name in the database. Both go with the process, at once, however it
 *    ended. A node that is cut off from one of the two still has the other; one that is cut off from both could not keep its lease either.
 * 3. Nothing is done to the node itself: its other users wait for its lease to run out, or for their own login.
 */
import type { Bus, BusMessage } from "../cluster/bus.ts";
import type { Store, UserId } from "../store/store.ts";
import type { ConnectionTable } from "./connection_table.ts";
import { isAlive } from "./probe.ts";
import type { Session } from "./session.ts";
import type { Turns } from "../async/turns.ts";

/** How long another node may take to answer (ms): its own probe takes 1.5 s, and a returning user is to be in within 2 s. */
const ANSWER_MS = 1900;

/** Asks and tells other nodes about the sessions that they hold. */
export class RemoteHolders {
  readonly #node: string;
  readonly #store: Store;
  #bus: Bus | undefined;
  readonly #questions = new Map<number, (alive: boolean) => void>();
  #last = 0;

  /** Nothing is asked yet. @param node this node's name, to which answers go */
  constructor(node: string, store: Store) {
    this.#node = node;
    this.#store = store;
  }

  /** Sets the way to the other nodes. */
  use(bus: Bus): void {
    this.#bus = bus;
  }

  /**
   * Whether that node's session keeps the account from a new login. It does if nobody answers, and the node is not known to be gone.
   *
   * @param mode `probe` asks whether its client lives, `refuse` whether the node holds it at all, `replace` asks nothing
   */
  async holds(node: string, userId: UserId, session: string, mode: "probe" | "refuse" | "replace"): Promise<boolean> {
    if (mode === "replace") return false;
    const number = ++this.#last;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#questions.set(number, resolve);
    const timer = setTimeout(() => resolve(true), ANSWER_MS);
    this.#bus?.send(node, { type: "probe", number, node: this.#node, userId, session, ask: mode === "probe" });
    void this.#isGone(node).then((gone) => gone && resolve(false));
    const alive = await promise;
    clearTimeout(timer);
    this.#questions.delete(number);
    return alive;
  }

  /** Tells a node that a session of its was taken over. If this is lost, its reconciling finds out. */
  replaced(node: string, userId: UserId, session: string): void {
    this.#bus?.send(node, { type: "replaced", userId, session });
  }

  /** An answer has come. */
  answered({ number, alive }: BusMessage & { type: "probed" }): void {
    this.#questions.get(number)?.(alive);
  }

  async #isGone(node: string): Promise<boolean> {
    try {
      return this.#bus !== undefined && !await this.#bus.listens(node) && !await this.#store.isNamed(node);
    } catch {
      return false;
    }
  }

  /** Answers another node's question, when the logins of that user that are under way here are through. */
  async answer(question: BusMessage & { type: "probe" }, table: ConnectionTable, turns: Turns<UserId>): Promise<void> {
    const { number, node, userId, session, ask } = question;
    const alive = await turns.run(userId, async () => {
      const held: Session | undefined = table.get(userId);
      if (held?.id !== session || held.departed) return false;
      return ask ? await isAlive(held) : true;
    });
    this.#bus?.send(node, { type: "probed", number, alive });
  }
}
