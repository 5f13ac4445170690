/** SEARCH: what was said, by its words. */
import { laterTurn, spent } from "../async/loop.ts";
import type { Session } from "../net/session.ts";
import { Query } from "../search/tokenizer.ts";
import type { Search, Store } from "../store/store.ts";
import { chatMessage } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";

/** Finds messages. */
export class Finder {
  readonly #store: Store;

  /** Joins it to the store. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** SEARCH: a page, newest first, of each message at most 300 characters around what was found, and one file. Throws {@linkcode Refusal}. */
  async search({ userId }: Session, request: Request<typeof Msg.SEARCH>): Promise<{ messages: object[]; more: boolean }> {
    const { text, from, before, limit } = request;
    const query = new Query(text);
    const found = await this.#store.search({ userId, of: await this.#where(userId, request), from, query, before }, limit + 1);
    const messages: object[] = [];
    for (const message of found.slice(0, limit)) {
      if (spent()) await laterTurn();
      messages.push(chatMessage({ ...message, msg: query.excerpt(message.msg), files: message.files?.slice(0, 1) }));
    }
    return { messages, more: found.length > limit };
  }

  async #where(userId: number, { toid, groupid }: Request<typeof Msg.SEARCH>): Promise<Search["of"]> {
    if (groupid !== undefined) {
      const members = await this.#store.members(userId, groupid, 0, 1);
      if (typeof members === "string") throw new Refusal(Errno[members]);
      return { groupid };
    }
    if (toid === undefined) return undefined;
    if (!await this.#store.isUser(toid)) throw new Refusal(Errno.NO_USER);
    return { peer: toid };
  }
}
