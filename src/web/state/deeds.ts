/**
 * What becomes of messages: edited, deleted, reacted to, by the user and by others.
 *
 * Rules:
 *
 * 1. What the server puts off is asked for again by the client that asked first: by then the page may be another user's.
 * 2. Who gets no answer does not know whether it was done, and nobody tells it again: the message is asked for (`unsure`).
 * 3. Clicks on emoji of a message are told one after the other, since the server puts off all but one a second; of several on the same emoji the last.
 */
import { type ClientEvents, ConnectionLost, type NatterClient, type Reaction } from "../../client/natter_client.ts";
import { explain } from "../format.ts";
import { lineAt, withDeletion, withEdit, withReactions } from "./lines.ts";
import { withMention } from "./marks.ts";
import { speaksToMe } from "./mentions.ts";
import { hasText, isGroup, type Key, keyOf, type Line, numberOf } from "./model.ts";
import type { Overview } from "./overview.ts";
import { patiently } from "../../client/patiently.ts";
import type { Account } from "./account.ts";
import type { State, Store } from "./store.ts";

/** A click on an emoji that the server has not answered. */
interface Click {
  emoji: string;
  /** Whether the user's is there, as far as the server has said. */
  was: boolean;
  /** Resolves when it is answered, or needs no answer; never rejects. */
  over: Promise<void>;
}

export class Deeds {
  /** A message says something else, or nothing any more (undefined). */
  changed: (messageid: number, msg: string | undefined) => void = () => {};
  /** An unread message that did not speak to the user does now. */
  mentioned: (key: Key, line: Line) => void = () => {};
  /** It is not known whether something was done to a message. */
  unsure: (key: Key, messageid: number) => void = () => {};
  readonly #store: Store;
  readonly #account: Account;
  readonly #overview: Overview;
  /** By message. */
  readonly #clicks = new Map<number, Click[]>();

  constructor(store: Store, account: Account, overview: Overview) {
    this.#store = store;
    this.#account = account;
    this.#overview = overview;
  }

  /** Gives a message of the user's own another text. Rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}. */
  async edit(key: Key, { messageid }: Line, msg: string): Promise<void> {
    const { edited } = await this.#ask(key, messageid, (client) => client.edit(messageid, msg));
    this.#store.amend(key, (c) => withEdit(c, messageid, msg, edited));
    this.changed(messageid, msg);
  }

  /** Deletes a message, for all. Rejects as {@linkcode Deeds.edit} does. */
  async delete(key: Key, { messageid }: Line): Promise<void> {
    await this.#ask(key, messageid, (client) => client.delete(messageid));
    this.#deleted(key, messageid);
  }

  /** Puts an emoji to a message, or takes the user's own away. It is shown at once. */
  async react(key: Key, { messageid }: Line, emoji: string): Promise<void> {
    const { client } = this.#account;
    const shown = this.#store.conversation(key)?.lines.find((line) => line.messageid === messageid)?.reactions ?? [];
    const off = shown.some((reaction) => reaction.emoji === emoji && reaction.mine);
    this.#store.amend(key, (c) => withReactions(c, messageid, toggled(shown, emoji, off), [emoji, !off]));
    const clicks = this.#clicks.get(messageid) ?? [];
    this.#clicks.set(messageid, clicks);
    const last = () => clicks.findLast((other) => other.emoji === emoji);
    const tell = async () => {
      try {
        if (last() !== click || client !== this.#account.client) return;
        const now = await this.#ask(key, messageid, (client) => client.react(messageid, emoji, { off }));
        for (const other of clicks) if (other.emoji === emoji) other.was = !off;
        // What is clicked on since is shown already.
        if (clicks.at(-1) === click) this.#store.amend(key, (c) => withReactions(c, messageid, now, [emoji, !off]));
      } catch (error) {
        if (client !== this.#account.client) return;
        if (last() === click && click.was === off) {
          this.#store.amend(key, (c) => withReactions(c, messageid, toggled(lineAt(c, messageid)?.reactions ?? [], emoji, !off), [emoji, off]));
        }
        this.#store.complain(explain(error));
      } finally {
        clicks.splice(clicks.indexOf(click), 1);
        if (clicks.length === 0) this.#clicks.delete(messageid);
      }
    };
    const before = clicks.at(-1)?.over ?? Promise.resolve();
    const click: Click = { emoji, was: last()?.was ?? off, over: before.then(tell) };
    clicks.push(click);
    await click.over;
  }

  /** Rules 1 and 2. */
  async #ask<T>(key: Key, messageid: number, ask: (client: NatterClient) => Promise<T>): Promise<T> {
    const { client } = this.#account;
    try {
      return await patiently(() => ask(client));
    } catch (error) {
      // What was not asked at all was not done.
      if (error instanceof ConnectionLost && error.reason !== "closed" && client === this.#account.client) this.unsure(key, messageid);
      throw error;
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
