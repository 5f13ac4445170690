/** SIGNAL: what is worth nothing later. Never stored, never merged; dropped only for a receiver over its send queue, and where either blocks the other. */
import type { Bus } from "../cluster/bus.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { Session } from "../presence/session.ts";
import type { Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { signalLine } from "../wire/encode.ts";
import type { Request } from "../wire/messages.ts";
import type { Msg } from "../wire/msgid.ts";
import type { Groups } from "./groups.ts";

/** How long it is remembered where an absent user is (ms), and of how many. */
const REMEMBER_MS = 3000, MAX_REMEMBERED = 10_000;

/** Passes signals on. */
export class Signals {
  readonly #store: Store;
  readonly #table: ConnectionTable;
  readonly #groups: Groups;
  readonly #node: string;
  #bus: Bus | undefined;
  readonly #nodes = new Map<UserId, { node: string | null | undefined; until: number }>();

  /** `node` is this node's name: receivers elsewhere are reached over the bus. */
  constructor(store: Store, table: ConnectionTable, groups: Groups, node: string) {
    this.#store = store;
    this.#table = table;
    this.#groups = groups;
    this.#node = node;
  }

  /** Sets the way to receivers on other nodes. */
  use(bus: Bus): void {
    this.#bus = bus;
  }

  /** Only a receiver who is not here needs the database. `plain`: see {@linkcode signalLine}. */
  signal(session: Session, { toid, groupid, msg }: Request<typeof Msg.SIGNAL>, plain: boolean): void | Promise<void> {
    if (groupid !== undefined) return this.#toGroup(session, groupid, signalLine(session.userId, { groupid, msg }, plain));
    if (session.blocked.has(toid!)) return;
    const receiver = this.#table.get(toid!);
    const line = signalLine(session.userId, { toid, msg }, plain);
    if (!receiver) return this.#toAbsent(toid!, session.userId, line);
    this.#send(receiver, session.userId, line + "\n");
  }

  async #toAbsent(toid: UserId, from: UserId, line: string): Promise<void> {
    const node = await this.#nodeOf(toid);
    if (node === undefined) throw new Refusal(Errno.NO_USER);
    if (node !== null && node !== this.#node) this.#bus?.send(node, { type: "signal", from, to: [toid], line });
  }

  async #toGroup(session: Session, groupid: number, line: string): Promise<void> {
    const members = await this.#groups.members(groupid);
    if (!members) throw new Refusal(Errno.NO_GROUP);
    if (!members.has(session.userId)) throw new Refusal(Errno.NOT_MEMBER);
    const from = session.userId, ended = line + "\n";
    /** By node: who is there. */
    const elsewhere = new Map<string, UserId[]>();
    for (const [userId, node] of members) {
      if (userId === from || session.blocked.has(userId)) continue;
      const receiver = this.#table.get(userId);
      if (receiver) this.#send(receiver, from, ended);
      else if (node !== null && node !== this.#node) elsewhere.set(node, [...elsewhere.get(node) ?? [], userId]);
    }
    for (const [node, to] of elsewhere) this.#bus?.send(node, { type: "signal", from, to, line });
  }

  /** Where a user who is not here is; null: nowhere; undefined: no such user. Remembered for a few seconds: a call set-up sends many signals. */
  async #nodeOf(userId: UserId): Promise<string | null | undefined> {
    const now = performance.now();
    const known = this.#nodes.get(userId);
    if (known && known.until > now) return known.node;
    const [account, nodes] = await Promise.all([this.#store.findUser({ id: userId }), this.#store.nodesOf([userId])]);
    const node = account ? nodes.get(userId) ?? null : undefined;
    this.#nodes.delete(userId);
    this.#nodes.set(userId, { node, until: now + REMEMBER_MS });
    if (this.#nodes.size > MAX_REMEMBERED) this.#nodes.delete(this.#nodes.keys().next().value!);
    return node;
  }

  /** A signal that another node has brought. */
  sendHere(from: UserId, to: UserId[], line: string): void {
    const ended = line + "\n";
    for (const userId of to) {
      const receiver = this.#table.get(userId);
      if (receiver) this.#send(receiver, from, ended);
    }
  }

  #send(receiver: Session, from: UserId, line: string): void {
    // A classic client does not know signals; nothing precedes LOGIN_ACK.
    if (!receiver.modern || receiver.cursor === undefined || receiver.connection.congested || receiver.blocked.has(from)) return;
    receiver.connection.sendLine(line);
  }
}
