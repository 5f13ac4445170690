/** HISTORY: what was said, by pages. */
import type { Session } from "../presence/session.ts";
import type { Store, UserId } from "../store/store.ts";
import { chatMessage } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";

/** Reads conversations. */
export class History {
  readonly #store: Store;

  /** Joins it to the store. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** HISTORY: a page, oldest first. Throws {@linkcode Refusal}. */
  async history(session: Session, request: Request<typeof Msg.HISTORY>): Promise<{ messages: Record<string, unknown>[]; more: boolean }> {
    const { messages, more } = await this.#store.history(await this.#conversation(session.userId, request), request.before, request.limit);
    return { messages: messages.map(chatMessage), more };
  }

  async #conversation(userId: UserId, { toid, toname, groupid }: Request<typeof Msg.HISTORY>) {
    if (groupid !== undefined) {
      const members = await this.#store.members(groupid);
      if (!members) throw new Refusal(Errno.NO_GROUP);
      if (!members.some((m) => m.userId === userId)) throw new Refusal(Errno.NOT_MEMBER);
      return { groupid };
    }
    const peer = await this.#store.findUser(toid === undefined ? { key: comparableName(toname!) } : { id: toid });
    if (!peer) throw new Refusal(Errno.NO_USER);
    return { userId, peer: peer.id };
  }
}
