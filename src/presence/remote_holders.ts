/**
 * Sessions on other nodes: asking whether they live.
 *
 * 1. The node answers for its session. Without an answer the session is alive, as long as the node's lease is valid.
 * 2. Unless that node is gone: nobody listens on its channel **and** nobody holds its name in the database. Both go with the process, at once, however it
 *    ended. A node that is cut off from one of the two still has the other; one that is cut off from both could not keep its lease either.
 * 3. Nothing is done to the node itself: its other users wait for its lease to run out, or for their own login.
 */
import { STOPPED_MS } from "../async/time_up.ts";
import type { Turns } from "../async/turns.ts";
import type { NodeMessage } from "../cluster/bus.ts";
import type { Router } from "../cluster/router.ts";
import type { DeviceId, Store, UserId } from "../store/store.ts";
import type { ConnectionTable } from "./connection_table.ts";
import { deviceKey } from "./device_key.ts";
import { isAlive } from "./probe.ts";

/**
 * How long another node may take to answer (ms): its own probe takes 1.5 s, and a returning user is to be in within 2 s. It passes in parts, of which one passes
 * while the process does not run: then the other node, on the same machine, did not run either.
 */
const NODE_ANSWER_MS = 1900, PART_MS = 50;

/** Asks other nodes about the sessions that they hold, and answers for those that this one holds. */
export class RemoteHolders {
  readonly #store: Store;
  readonly #router: Router;
  readonly #questions = new Map<number, (alive: boolean) => void>();
  #last = 0;

  /** Nothing is asked yet. */
  constructor(store: Store, router: Router) {
    this.#store = store;
    this.#router = router;
  }

  /**
   * Whether that node's session keeps its device from a new login. It does if nobody answers, and the node is not known to be gone.
   *
   * @param mode `probe` asks whether its client lives, `refuse` whether the node holds it at all, `replace` asks nothing
   */
  async holds(
    { node, userId, device, session }: { node: string; userId: UserId; device: DeviceId; session: string },
    mode: "probe" | "refuse" | "replace",
  ): Promise<boolean> {
    if (mode === "replace") return false;
    const number = ++this.#last;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#questions.set(number, resolve);
    let parts = 0, last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      if (++parts >= NODE_ANSWER_MS / PART_MS && now - last < STOPPED_MS) resolve(true);
      last = now;
    }, PART_MS);
    this.#router.send([node], { type: "probe", number, node: this.#router.node, userId, device, session, ask: mode === "probe" });
    void this.#isGone(node).then((gone) => gone && resolve(false));
    const alive = await promise;
    clearInterval(timer);
    this.#questions.delete(number);
    return alive;
  }

  /** An answer has come. */
  answered({ number, alive }: NodeMessage & { type: "probed" }): void {
    this.#questions.get(number)?.(alive);
  }

  async #isGone(node: string): Promise<boolean> {
    try {
      return !await this.#router.listens(node) && !await this.#store.isNamed(node);
    } catch {
      return false;
    }
  }

  /** Answers another node's question, when the logins of that device that are under way here are through. */
  async asked(question: NodeMessage & { type: "probe" }, table: ConnectionTable, turns: Turns<string>): Promise<void> {
    const { number, node, userId, device, session, ask } = question;
    const alive = await turns.run(deviceKey({ userId, device }), async () => {
      const held = table.get(userId, device);
      if (held?.id !== session || held.departed) return false;
      return ask ? await isAlive(held) : true;
    });
    this.#router.send([node], { type: "probed", number, alive });
  }
}
