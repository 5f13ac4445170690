/** Up to where has been read, and what is unread: as the server counts it, and as what came since changes it. */
import type { Conversation as Talk } from "../../client/natter_client.ts";
import { lastOf } from "./lines.ts";
import { type Conversation, hasText, type Line, MOST_UNREAD } from "./model.ts";

/** A message that came while the list was asked for: the answer may know of it or not. */
export interface Came {
  messageid: number;
  mine: boolean;
}

/** A message of someone else's has come: it is unread, until it was on the screen. */
export function withHeard(c: Conversation, { messageid, deleted }: Line, open: boolean): Conversation {
  if (messageid <= c.counted || messageid <= c.read || deleted) return { ...c, counted: Math.max(c.counted, messageid) };
  // The line goes above the first message that was not seen.
  return { ...c, counted: messageid, unread: c.unread + 1, divider: open && c.unread === 0 ? c.read : c.divider };
}

/** Whether an unread message speaks to the user. */
export function withMention(c: Conversation, messageid: number, speaks: boolean): Conversation {
  if (c.mentions.includes(messageid) === speaks || messageid <= c.read) return c;
  return { ...c, mentions: speaks ? [...c.mentions, messageid] : c.mentions.filter((other) => other !== messageid) };
}

/** A message of one's own was stored, from whatever device: who writes has read. */
export function withWritten(c: Conversation, { messageid }: Line): Conversation {
  if (messageid <= c.read) return c;
  return {
    ...c,
    unread: messageid >= c.counted ? 0 : c.unread,
    mentions: above(c, messageid),
    read: messageid,
    counted: Math.max(c.counted, messageid),
  };
}

/** The user has read up to there. */
export function withRead(c: Conversation, messageid: number, me: number): Conversation {
  if (messageid <= c.read) return c;
  return { ...c, read: messageid, mentions: above(c, messageid), unread: messageid >= c.counted ? 0 : stillUnread(c, messageid, me) };
}

/** Whether {@linkcode withRead} counts right: the messages that were read, or those that are not, are here. */
export function knowsUnread(c: Conversation, messageid: number): boolean {
  return messageid >= c.counted || reachesEnd(c, messageid);
}

/** The other one has read up to there. */
export function withPeerRead(c: Conversation, messageid: number): Conversation {
  return messageid <= c.peerread ? c : { ...c, peerread: messageid };
}

/** What the list says of it, and what came while it was asked for. */
export function withTalk(c: Conversation, talk: Talk, came: readonly Came[]): Conversation {
  const { name, last, unread, read, peerread = 0, muted = 0, pinned, archived } = talk;
  const upto = last?.messageid ?? 0;
  const since = came.filter(({ messageid }) => messageid > upto);
  const known = {
    ...c,
    name,
    last: since.length > 0 ? c.last : last ? lastOf(last) : undefined,
    counted: Math.max(upto, ...came.map(({ messageid }) => messageid)),
    peerread: Math.max(c.peerread, peerread),
    muted,
    pinned: pinned === true,
    archived: archived === true,
  };
  // What was read here a moment ago may not have been told yet.
  if (c.read > read) return { ...known, unread: c.read >= known.counted ? 0 : Math.min(c.unread, unread + since.length) };
  return { ...known, read, mentions: above(c, read), unread: unread + since.filter(({ messageid, mine }) => !mine && messageid > read).length };
}

function above({ mentions }: Conversation, messageid: number): readonly number[] {
  return mentions.some((mention) => mention <= messageid) ? mentions.filter((mention) => mention > messageid) : mentions;
}

function stillUnread(c: Conversation, messageid: number, me: number): number {
  const others = (line: Line) => line.id !== me && hasText(line);
  if (reachesEnd(c, messageid)) return c.lines.filter((line) => line.messageid > messageid && others(line)).length;
  // More than the server counts are left for now.
  if (c.unread >= MOST_UNREAD) return c.unread;
  return Math.max(1, c.unread - c.lines.filter((line) => line.messageid > c.read && line.messageid <= messageid && others(line)).length);
}

/** Whether all messages above this one are here. */
function reachesEnd({ history, lines, more, moreafter }: Conversation, messageid: number): boolean {
  return history === "loaded" && !moreafter && lines.length > 0 && (!more || lines[0].messageid <= messageid + 1);
}
