/**
 * SIGNAL: what is worth nothing later. Never stored, never told later.
 *
 * It goes to all modern sessions of the receiver, or of those in the group; not to one over its send queue, not across a block in either direction, and not to
 * who has left the group: that is looked at where the receiver is (`ties.ts`), since where members are is remembered for a few seconds.
 */
import { Memory } from "../async/memory.ts";
import type { NodeMessage } from "../cluster/bus.ts";
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { fanOutCost } from "../ops/costs.ts";
import type { Limits } from "../ops/limits.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { GroupId, Store, UserId } from "../store/store.ts";
import { signalLine } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Request } from "../wire/requests.ts";
import type { Msg } from "../wire/msgid.ts";
import type { Ties } from "./ties.ts";

/** A call set-up sends many signals: how long it is remembered where a user is (ms), and of how many; where the members of a group are, and of how many groups. */
const USER_MS = 3000, MAX_PLACES = 10_000, GROUP_MS = 5000, MAX_GROUPS = 1000;

/** Where the members of a group are. */
type Members = Map<UserId, readonly string[]>;

/** Passes signals on. */
export class Signals {
  readonly #store: Store;
  readonly #table: ConnectionTable;
  readonly #router: Router;
  readonly #ties: Ties;
  readonly #limits: Limits;
  readonly #users = new Memory<UserId, readonly string[] | undefined>(USER_MS, MAX_PLACES);
  readonly #groups = new Memory<GroupId, Members | undefined>(GROUP_MS, MAX_GROUPS);

  /** Joins its parts. */
  constructor(parts: { store: Store; table: ConnectionTable; router: Router; ties: Ties; limits: Limits }) {
    this.#store = parts.store;
    this.#table = parts.table;
    this.#router = parts.router;
    this.#ties = parts.ties;
    this.#limits = parts.limits;
  }

  /** Only a receiver who may be elsewhere needs the database. `plain`: see {@linkcode signalLine}. */
  signal(session: Session, { toid, groupid, msg }: Request<typeof Msg.SIGNAL>, plain: boolean): void | Promise<void> {
    if (groupid !== undefined) return this.#toGroup(session, groupid, signalLine(session.userId, { groupid, msg }, plain));
    if (this.#ties.blocks(session, toid!)) return;
    const from = session.userId, line = signalLine(from, { toid, msg }, plain), here = this.#table.of(toid!);
    this.#tell(here, from, line + "\n", undefined);
    if (here.length > 0 && this.#router.alone) return;
    const message: NodeMessage = { type: "signal", from, to: [toid!], line };
    const known = this.#users.get(toid!);
    if (known) return this.#elsewhere(known.value, message);
    return this.#users.remember(toid!, () => this.#nodesOf(toid!)).then((nodes) => this.#elsewhere(nodes, message));
  }

  /** Somebody joined the group, or left it. */
  forget(groupid: GroupId): void {
    this.#groups.forget(groupid);
  }

  /** A signal for users who are here. */
  heard({ from, to, groupid, line }: NodeMessage & { type: "signal" }): void {
    const ended = line + "\n";
    for (const userId of to) this.#tell(this.#table.of(userId), from, ended, groupid);
  }

  #tell(receivers: readonly Session[], from: UserId, line: string, groupid: GroupId | undefined): void {
    for (const receiver of receivers) {
      // A classic client does not know signals; nothing precedes LOGIN_ACK.
      if (!receiver.modern || !receiver.welcomed || receiver.connection.congested || this.#ties.blocks(receiver, from)) continue;
      if (groupid === undefined || this.#ties.isIn(receiver, groupid)) receiver.connection.sendLine(line);
    }
  }

  #elsewhere(nodes: readonly string[] | undefined, message: NodeMessage): void {
    if (!nodes) throw new Refusal(Errno.NO_USER);
    this.#router.send(nodes.filter((node) => node !== this.#router.node), message);
  }

  async #nodesOf(userId: UserId): Promise<readonly string[] | undefined> {
    return (await this.#store.whereabouts([userId])).get(userId)?.nodes;
  }

  async #toGroup(session: Session, groupid: GroupId, line: string): Promise<void> {
    const from = session.userId;
    const remembered = this.#groups.get(groupid);
    let members = remembered ? remembered.value : await this.#groups.remember(groupid, () => this.#membersOf(groupid));
    // Joined a moment ago.
    if (remembered && !members?.has(from) && this.#ties.isIn(session, groupid)) {
      members = await this.#groups.remember(groupid, () => this.#membersOf(groupid));
    }
    if (!members?.has(from) || !this.#ties.isIn(session, groupid)) throw await this.#refusal(from, groupid);
    const to = [...members].filter(([userId]) => userId !== from && !this.#ties.blocks(session, userId)).map(([item, nodes]) => ({ item, nodes }));
    this.#limits.charge(from, fanOutCost(to.length, line.length));
    this.#router.sendTo(to, (there) => ({ type: "signal", from, to: there, groupid, line }));
  }

  /** Why one may not send to a group that one is not in. */
  async #refusal(from: UserId, groupid: GroupId): Promise<Refusal> {
    const outside = await this.#store.members(from, groupid, 0, 1);
    return new Refusal(Errno[typeof outside === "string" ? outside : "NOT_MEMBER"]);
  }

  async #membersOf(groupid: GroupId): Promise<Members | undefined> {
    const members = await this.#store.membersOf(groupid);
    return members && new Map(members.map(({ userId, nodes }) => [userId, nodes]));
  }
}
