/** What becomes of messages: edited, deleted, reacted to, by the user and by others. */
import type { ClientEvents, Reaction } from "../../client/natter_client.ts";
import { explain } from "../format.ts";
import { lineAt, withDeletion, withEdit, withReactions } from "./lines.ts";
import { withMention } from "./marks.ts";
import { speaksToMe } from "./mentions.ts";
import { hasText, isGroup, type Key, keyOf, type Line, numberOf } from "./model.ts";
import type { Overview } from "./overview.ts";
import { patiently } from "../../client/patiently.ts";
import type { Account } from "./account.ts";
import type { State, Store } from "./store.ts";

export class Deeds {
  /** A message says something else, or nothing any more (undefined). */
  changed: (messageid: number, msg: string | undefined) => void = () => {};
  /** An unread message that did not speak to the user does now. */
  mentioned: (key: Key, line: Line) => void = () => {};
  readonly #store: Store;
  readonly #account: Account;
  readonly #overview: Overview;

  constructor(store: Store, account: Account, overview: Overview) {
    this.#store = store;
    this.#account = account;
    this.#overview = overview;
  }

  /** Gives a message of the user's own another text. Rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}. */
  async edit(key: Key, { messageid }: Line, msg: string): Promise<void> {
    const { edited } = await patiently(() => this.#account.client.edit(messageid, msg));
    this.#store.amend(key, (c) => withEdit(c, messageid, msg, edited));
    this.changed(messageid, msg);
  }

  /** Deletes a message, for all. Rejects as {@linkcode Deeds.edit} does. */
  async delete(key: Key, { messageid }: Line): Promise<void> {
    await patiently(() => this.#account.client.delete(messageid));
    this.#deleted(key, messageid);
  }

  /** Puts an emoji to a message, or takes the user's own away. It is shown at once. */
  async react(key: Key, { messageid }: Line, emoji: string): Promise<void> {
    const before = this.#store.conversation(key)?.lines.find((line) => line.messageid === messageid)?.reactions ?? [];
    const off = before.some((reaction) => reaction.emoji === emoji && reaction.mine);
    this.#store.amend(key, (c) => withReactions(c, messageid, toggled(before, emoji, off), [emoji, !off]));
    try {
      const now = await patiently(() => this.#account.client.react(messageid, emoji, { off }));
      this.#store.amend(key, (c) => withReactions(c, messageid, now, [emoji, !off]));
    } catch (error) {
      this.#store.amend(key, (c) => {
        const now = lineAt(c, messageid)?.reactions ?? [];
        return withReactions(c, messageid, toggled(now, emoji, !off), [emoji, off]);
      });
      this.#store.complain(explain(error));
    }
  }

  /** Somebody has edited a message. */
  edited(event: ClientEvents["edit"]): void {
    const { messageid, msg, edited = 0, deleted } = event;
    const key = this.#keyOf(event);
    if (deleted) this.#deleted(key, messageid);
    else {
      const speaks = speaksToMe(this.#store.state, key, event);
      const before = this.#store.conversation(key);
      this.#store.amend(key, (c) => withMention(withEdit(c, messageid, msg, edited), messageid, speaks));
      this.changed(messageid, msg);
      const now = this.#store.conversation(key);
      if (!now?.mentions.includes(messageid) || before?.mentions.includes(messageid)) return;
      // Of one that is not here nobody knows whether it was to disturb anybody.
      const line = lineAt(now, messageid);
      if (line && !line.silent) this.mentioned(key, line);
    }
  }

  /** Somebody has deleted one. */
  deleted(event: ClientEvents["delete"]): void {
    this.#deleted(this.#keyOf(event), event.messageid);
  }

  /** Somebody has put something to one. */
  reacted(event: ClientEvents["react"]): void {
    const { id, messageid, emoji = "", off, reactions = [], deleted } = event;
    const key = this.#keyOf(event);
    if (deleted) return this.#deleted(key, messageid);
    const mine: [string, boolean] | undefined = id === this.#store.state.me.id ? [emoji, !off] : undefined;
    this.#store.amend(key, (c) => withReactions(c, messageid, reactions, mine));
  }

  #deleted(key: Key, messageid: number): void {
    this.changed(messageid, undefined);
    const c = this.#store.conversation(key);
    if (!c) return;
    this.#store.amend(key, (c) => withMention(withDeletion(c, messageid), messageid, false));
    // At once: nobody tells it again.
    void this.#account.keep();
    // What stands before it in the list may not be here, and what is unread is one less, unless the server has told so already.
    if (messageid > c.read || c.last && !this.#store.conversation(key)?.last) this.#overview.refresh();
  }

  #keyOf(event: { id: number; toid?: number; groupid?: number }): Key {
    return keyOf(event, this.#store.state.me.id);
  }
}

/** Whether the user may edit this message. */
export function mayEdit({ me }: State, line: Line): boolean {
  return line.id === me.id && line.state === "stored" && hasText(line);
}

/** Whether the user may delete this message: one's own, or whose group it is. */
export function mayDelete({ me, groups }: State, key: Key, { id, state, deleted }: Line): boolean {
  const role = isGroup(key) ? groups.get(numberOf(key))?.role : undefined;
  return state === "stored" && !deleted && (id === me.id || role === "creator" || role === "moderator");
}

function toggled(reactions: readonly Reaction[], emoji: string, off: boolean): Reaction[] {
  const there = reactions.some((reaction) => reaction.emoji === emoji);
  if (!there) return off ? [...reactions] : [...reactions, { emoji, count: 1 }];
  return reactions.map((reaction) => reaction.emoji === emoji ? { emoji, count: reaction.count + (off ? -1 : 1) } : reaction)
    .filter((reaction) => reaction.count > 0);
}
