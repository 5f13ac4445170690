/** HISTORY: what was said, by pages. */
import type { Session } from "../net/session.ts";
import type { Store, StoredMessage, UserId } from "../store/store.ts";
import { chatMessage } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";
import { ANSWER_BYTES } from "./terms.ts";

/** What stands in an answer beside its messages (bytes), at most. */
const ENVELOPE = 512;

const encoder = new TextEncoder();

/** Reads conversations. */
export class History {
  readonly #store: Store;

  /** Joins it to the store. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** HISTORY: a page, oldest first, that fits into an answer. Throws {@linkcode Refusal}. */
  async history(session: Session, request: Request<typeof Msg.HISTORY>): Promise<{ messages: object[]; more: boolean }> {
    const of = await this.#conversation(session.userId, request);
    const { messages, more } = await this.#store.history(of, request.before, request.limit, ANSWER_BYTES);
    const page = fitting(messages);
    return { messages: page, more: more || page.length < messages.length };
  }

  async #conversation(userId: UserId, { toid, toname, groupid }: Request<typeof Msg.HISTORY>) {
    if (groupid !== undefined) {
      const member = await this.#store.members(userId, groupid, 0, 1);
      if (typeof member === "string") throw new Refusal(Errno[member]);
      return { groupid };
    }
    const peer = await this.#store.findUser(toid === undefined ? { key: comparableName(toname!) } : { id: toid });
    if (!peer) throw new Refusal(Errno.NO_USER);
    return { userId, peer: peer.id };
  }
}

/** The newest of them that fit into an answer, at least one. */
function fitting(messages: StoredMessage[]): object[] {
  const page: object[] = [];
  let room = ANSWER_BYTES - ENVELOPE;
  for (const message of messages.toReversed()) {
    const shown = chatMessage(message);
    room -= encoder.encode(JSON.stringify(shown)).length + 1;
    if (room < 0 && page.length > 0) break;
    page.push(shown);
  }
  return page.reverse();
}
