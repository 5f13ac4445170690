/** SIGNAL: what is worth nothing later. Never stored, never merged; dropped only for a receiver over its send queue. */
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { Session } from "../presence/session.ts";
import type { Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { Msg, type Request } from "../wire/messages.ts";
import type { Groups } from "./groups.ts";

export class Signals {
  readonly #store: Store;
  readonly #table: ConnectionTable;
  readonly #groups: Groups;

  constructor(store: Store, table: ConnectionTable, groups: Groups) {
    this.#store = store;
    this.#table = table;
    this.#groups = groups;
  }

  /** Only a receiver who is not here needs the database. */
  signal(session: Session, { toid, groupid, msg }: Request<typeof Msg.SIGNAL>): void | Promise<void> {
    if (groupid !== undefined) return this.#toGroup(session, groupid, msg);
    const receiver = this.#table.get(toid!);
    if (!receiver) return this.#toAbsent(toid!);
    this.#send(receiver, session, JSON.stringify({ msgid: Msg.SIGNAL, id: session.userId, toid, msg }));
  }

  async #toAbsent(toid: UserId): Promise<void> {
    if (!await this.#store.findUser({ id: toid })) throw new Refusal(Errno.NO_USER);
  }

  async #toGroup(session: Session, groupid: number, msg: string | undefined): Promise<void> {
    const members = await this.#groups.members(groupid);
    if (!members) throw new Refusal(Errno.NO_GROUP);
    if (!members.has(session.userId)) throw new Refusal(Errno.NOT_MEMBER);
    const line = JSON.stringify({ msgid: Msg.SIGNAL, id: session.userId, groupid, msg });
    for (const userId of members) {
      const receiver = userId === session.userId ? undefined : this.#table.get(userId);
      if (receiver) this.#send(receiver, session, line);
    }
  }

  #send(receiver: Session, sender: Session, line: string): void {
    // A classic client does not know signals; nothing precedes LOGIN_ACK.
    if (!receiver.modern || receiver.cursor === undefined || receiver.connection.congested || receiver.blocked.has(sender.userId)) return;
    receiver.connection.sendLine(line);
  }
}
