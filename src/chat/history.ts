/** HISTORY: what was said, by pages. */
import type { Session } from "../net/session.ts";
import type { Conversation, HistoryPage, Part, Store } from "../store/store.ts";
import { chatMessage, groupEvent, oldChatMessage } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import { comparableName } from "../wire/names.ts";
import { ANSWER_BYTES, type Terms } from "./terms.ts";

/** What stands in an answer beside its messages (bytes), at most. */
const MESSAGES_ENVELOPE = 512;

const encoder = new TextEncoder();

/** A page as it is answered. */
export interface Page {
  /** Oldest first. */
  messages: object[];
  /** There are older ones; with `after`: newer ones. */
  more: boolean;
  /** With `around`: there are newer ones. */
  moreafter?: boolean;
}

/** Reads conversations. */
export class History {
  readonly #store: Store;
  readonly #terms: Pick<Terms, "url">;

  /** Joins it to the store. @param terms `url` is how this server is reached over HTTP */
  constructor(store: Store, terms: Pick<Terms, "url">) {
    this.#store = store;
    this.#terms = terms;
  }

  /** HISTORY: a page, oldest first, that fits into an answer; for clients of 0.1 without what was deleted, and as they know messages. Throws {@linkcode Refusal}. */
  async history({ userId, dialect }: Session, request: Request<typeof Msg.HISTORY>): Promise<Page> {
    const of = await this.#conversation(request);
    const page = await this.#store.history(userId, of, request, request.limit, ANSWER_BYTES, dialect === 3);
    if (typeof page === "string") throw new Refusal(Errno[page]);
    return fitting(page, request, dialect === 3 ? chatMessage : (message) => oldChatMessage(message, this.#terms.url));
  }

  async #conversation({ toid, toname, groupid }: Request<typeof Msg.HISTORY>): Promise<Conversation> {
    if (groupid !== undefined) return { groupid };
    if (toid !== undefined) return { toid };
    const peer = await this.#store.findUser({ key: comparableName(toname!) });
    if (!peer) throw new Refusal(Errno.NO_USER);
    return { toid: peer.id };
  }
}

type Entry = HistoryPage["messages"][number];

/** Those that fit into an answer, at least one: from where they were asked for, in the directions in which they were asked for. */
function fitting({ messages, more, moreafter }: HistoryPage, { after, around }: Part, showText: typeof chatMessage): Page {
  const middle = after !== undefined ? 0 : around === undefined ? messages.length : firstFrom(messages, around);
  const older: object[] = [], newer: object[] = [];
  let room = ANSWER_BYTES - MESSAGES_ENVELOPE;
  const take = (side: object[], entry: Entry | undefined) => {
    if (!entry) return false;
    const shown = entry.what === undefined ? showText(entry) : groupEvent(entry);
    room -= encoder.encode(JSON.stringify(shown)).length + 1;
    if (room < 0 && older.length + newer.length > 0) return false;
    side.push(shown);
    return true;
  };
  for (let up = true, down = true; up || down;) {
    up &&= take(newer, messages[middle + newer.length]);
    down &&= take(older, messages[middle - older.length - 1]);
  }
  const lessOlder = older.length < middle, lessNewer = middle + newer.length < messages.length;
  const page = [...older.reverse(), ...newer];
  if (around !== undefined) return { messages: page, more: more || lessOlder, moreafter: moreafter || lessNewer };
  return { messages: page, more: more || lessOlder || lessNewer };
}

/** Where the first message with this number, or one above it, stands. */
function firstFrom(messages: readonly Entry[], messageid: number): number {
  const at = messages.findIndex((message) => message.messageid >= messageid);
  return at < 0 ? messages.length : at;
}
