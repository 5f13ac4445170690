// What a client shows: put together from what comes by its log, as docs/protocol.md says; and the same as HISTORY tells it.

import { assert, assertEquals } from "@std/assert";
import type { Message, RawClient } from "./raw_client.ts";

/** A message as somebody sees it. */
export interface Shown {
  msg?: string;
  edited?: number;
  deleted?: true;
  reply?: number;
  /** By emoji, how many. */
  reactions: Record<string, number>;
}

/** Which conversation, as the user of a device names it. */
export type Place = { toid: number } | { groupid: number };

const keyOf = (place: Place) => "groupid" in place ? `g${place.groupid}` : `u${place.toid}`;

/** What one device has put together. */
export class Screen {
  readonly #conversations = new Map<string, Map<number, Shown>>();
  /** The last `seq` that was applied. */
  seq = 0;

  constructor(readonly userId: number) {}

  /** Takes an entry of the log; what has been here is dropped. */
  take(m: Message): void {
    if (m.seq! <= this.seq) return;
    assertEquals(m.seq, this.seq + 1, "a gap in the log");
    this.seq = m.seq!;
    const place = m.groupid !== undefined ? { groupid: m.groupid } : { toid: m.id === this.userId ? m.toid! : m.id! };
    const shown = this.#of(place);
    if (m.msgid === 6 || m.msgid === 10) return void shown.set(m.messageid!, shownFrom(m));
    const known = shown.get(m.messageid!);
    if (!known) return;
    if (m.msgid === 26 || m.deleted) {
      shown.set(m.messageid!, { deleted: true, ...known.reply === undefined ? {} : { reply: known.reply }, reactions: {} });
    } else if (known.deleted) return;
    else if (m.msgid === 25) { if ((m.edited as number) > (known.edited ?? 0)) Object.assign(known, { msg: m.msg, edited: m.edited }); }
    else if (m.msgid === 27) known.reactions = counts(m);
  }

  /** One's own message that was stored: of a user with one device it does not come by the log. */
  sent(place: Place, messageid: number, msg: string): void {
    const shown = this.#of(place);
    if (!shown.has(messageid)) shown.set(messageid, { msg, reactions: {} });
  }

  /** What it shows of a conversation, by number; but for some. */
  conversation(place: Place, but: readonly number[] = []): Map<number, Shown> {
    return new Map([...this.#of(place)].filter(([id]) => !but.includes(id)).sort(([a], [b]) => a - b));
  }

  #of(place: Place): Map<number, Shown> {
    const key = keyOf(place);
    const known = this.#conversations.get(key);
    if (known) return known;
    const made = new Map<number, Shown>();
    this.#conversations.set(key, made);
    return made;
  }
}

function counts(m: Message): Record<string, number> {
  return Object.fromEntries(((m.reactions ?? []) as { emoji: string; count: number }[]).map(({ emoji, count }) => [emoji, count]));
}

function shownFrom(m: Message): Shown {
  const shown: Shown = { reactions: counts(m) };
  if (m.deleted) shown.deleted = true;
  else shown.msg = m.msg!;
  if (m.edited !== undefined) shown.edited = m.edited as number;
  if (m.reply !== undefined) shown.reply = m.reply as number;
  return shown;
}

/** What HISTORY tells of a conversation, by number. */
export async function shownOf(client: RawClient, place: Place): Promise<Map<number, Shown>> {
  const all: Message[] = [];
  for (let before: number | undefined, more = true; more;) {
    const page = await client.request({ msgid: 16, ...place, before, limit: 100 });
    assertEquals(page.errno, 0, JSON.stringify(page).slice(0, 300));
    const messages = page.messages as Message[];
    // What happened in a group is no message.
    all.unshift(...messages.filter((m) => m.msgid !== 28));
    more = page.more as boolean;
    assert(messages.length > 0 || !more);
    before = messages[0]?.messageid;
  }
  return new Map(all.map((m) => [m.messageid!, shownFrom(m)]));
}

/** Puts together what comes by a log that begins with 1, up to the message with this number. */
export async function readUntil(client: RawClient, messageid: number): Promise<Screen> {
  const screen = new Screen(0);
  for (let done = false; !done;) {
    const m = await client.next((m) => m.seq !== undefined);
    screen.take(m);
    done = (m.msgid === 6 || m.msgid === 10) && m.messageid === messageid;
  }
  return screen;
}
