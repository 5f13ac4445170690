/** How messages, pages of them, and what is done to them come into a conversation. Deleted stays deleted, the later text wins, what is unknown changes nothing. */
import type { FileTold, Reaction } from "../../client/natter_client.ts";
import { type Conversation, hasText, type Last, type Line, moment, newConversation, NO_LINES } from "./model.ts";

/** How much of a message the list keeps (UTF-16 units). */
const PREVIEW = 160;

/**
 * About so many messages of a conversation are here, and in the document, at most: some screens in either direction. What is further away from where the user is
 * goes, and is asked for again on the way back. Every message costs with every change of the page.
 */
const MOST_HERE = 150;
/** At the end, where messages come one by one, so many go at once. */
const LINES_AT_ONCE = 50;

/** A page of messages, oldest first, and when it was asked for ({@linkcode moment}). */
export interface Page {
  lines: readonly Line[];
  more: boolean;
  moreafter?: boolean | undefined;
  asked: number;
}

/** A stored message has come, by whatever way. It may be here already. `reading`: the user is further above, and what is there must stay. */
export function withStored(c: Conversation, line: Line, reading = false): Conversation {
  return {
    ...c,
    ...atEnd(c, line, reading),
    own: withoutMids(c.own, [line]),
    last: line.deleted ? c.last : later(c.last, line),
  };
}

/** Something has happened in the group. */
export function withEvent(c: Conversation, line: Line): Conversation {
  return c.lines.length === 0 && c.history === "unknown" || c.moreafter ? c : { ...c, lines: merged(c.lines, [line], 0) };
}

/** A page has come, up to the end when it was asked for; this line came meanwhile, after those of the page that it is not among. */
export function withEnd(c: Conversation, line: Line): Conversation {
  const end = c.moreafter ? undefined : c.lines.at(-1);
  return end && end.messageid < line.messageid ? { ...c, lines: [...c.lines, line], own: withoutMids(c.own, [line]) } : c;
}

/** A message of one's own is on its way, or has failed. What is on its way is the newest, also where this machine's clock is behind. */
export function withOwn(c: Conversation, line: Line): Conversation {
  const here = c.own.some((other) => other.mid === line.mid);
  const ts = line.state === "sending" ? Math.max(line.ts, c.last?.ts ?? 0) : line.ts;
  return { ...c, own: here ? c.own.map((other) => other.mid === line.mid ? { ...line, ts: other.ts } : other) : [...c.own, { ...line, ts }] };
}

/** A message of one's own that is not stored is given up. */
export function withoutOwn(c: Conversation, mid: string): Conversation {
  return { ...c, own: c.own.filter((line) => line.mid !== mid) };
}

/** The newest page of the history has come. */
export function withNewest(c: Conversation, { lines: page, more, asked }: Page): Conversation {
  const first = page[0]?.messageid ?? 0;
  const here = c.kept ? stillThere(c.lines, page) : c.lines;
  // What was here before a long absence may not reach up to the page: then it goes.
  const touches = !more || here.some((line) => line.messageid === first) || !c.moreafter && (here.at(-1)?.messageid ?? 0) >= first;
  const kept = touches ? here : here.filter((line) => line.messageid > first);
  const older = touches && here.length > 0 && here[0].messageid < first;
  return {
    ...c,
    kept: false,
    lines: merged(kept, page, asked),
    own: withoutMids(c.own, page),
    more: older ? c.more : more,
    moreafter: false,
    newer: "idle",
    history: "loaded",
  };
}

/** A page around a message has come, in place of what was here. */
export function withAround(c: Conversation, { lines: page, more, moreafter = false, asked }: Page): Conversation {
  const end = page.at(-1)?.messageid ?? 0;
  const lines = moreafter ? page : merged(page, c.lines.filter((line) => line.messageid > end), asked);
  return { ...c, kept: false, lines, own: withoutMids(c.own, page), more, moreafter, older: "idle", newer: "idle", history: "loaded" };
}

/** The page before the first line has come. */
export function withOlder(c: Conversation, { lines: page, more, asked }: Page): Conversation {
  const lines = merged(c.lines, page, asked);
  return { ...c, lines: lines.slice(0, MOST_HERE), more, moreafter: c.moreafter || lines.length > MOST_HERE, older: "idle" };
}

/** The page behind the last line has come. */
export function withNewer(c: Conversation, { lines: page, more, asked }: Page): Conversation {
  const lines = merged(c.lines, page, asked);
  const long = lines.length > MOST_HERE;
  return { ...c, lines: lines.slice(-MOST_HERE), own: withoutMids(c.own, page), more: c.more || long, moreafter: more, newer: "idle" };
}

/** A message that is answered here; null: it cannot be had. */
export function withQuoted(c: Conversation, messageid: number, line: Line | null): Conversation {
  return { ...c, quoted: new Map(c.quoted).set(messageid, line) };
}

/** Somebody has given a message another text. */
export function withEdit(c: Conversation, messageid: number, msg: string, edited: number): Conversation {
  const { last } = c;
  const news = last?.messageid === messageid && (last.edited ?? 0) < edited;
  return {
    ...changed(c, messageid, (line) => line.deleted || (line.edited ?? 0) >= edited ? line : { ...line, msg, edited }),
    last: news ? lastOf({ ...last, msg, edited }) : last,
  };
}

/** The server has told what a message says. `asked`: when that was asked for. */
export function withTold(c: Conversation, told: Line, asked: number): Conversation {
  return told.deleted ? withDeletion(c, told.messageid) : changed(c, told.messageid, (line) => newerOf(line, told, asked));
}

/** The server has told where the files of a message are. */
export function withFiles(c: Conversation, messageid: number, files: readonly FileTold[] | undefined): Conversation {
  return changed(c, messageid, (line) => line.deleted ? line : { ...line, files });
}

/** Somebody has deleted a message. What the list shows instead of it may not be here. */
export function withDeletion(c: Conversation, messageid: number): Conversation {
  const deleted = changed(
    c,
    messageid,
    (line) => line.deleted ? line : { ...line, msg: "", files: undefined, deleted: true, edited: undefined, reactions: undefined },
  );
  const newest = deleted.moreafter ? undefined : deleted.lines.findLast(hasText);
  return {
    ...deleted,
    last: c.last?.messageid === messageid ? newest && lastOf(newest) : c.last,
    writing: c.writing?.line.messageid === messageid ? undefined : c.writing,
  };
}

/** What there is put to a message now. `mine`: the user has put an emoji there (true), or taken it away. */
export function withReactions(c: Conversation, messageid: number, reactions: readonly Reaction[], mine?: [emoji: string, on: boolean]): Conversation {
  return changed(c, messageid, (line) => {
    if (line.deleted) return line;
    const own = new Set(line.reactions?.filter((reaction) => reaction.mine).map((reaction) => reaction.emoji));
    if (mine?.[1]) own.add(mine[0]);
    else if (mine) own.delete(mine[0]);
    const marked = reactions.map(({ emoji, count }): Reaction => own.has(emoji) ? { emoji, count, mine: true } : { emoji, count });
    return { ...line, reactions: marked, touched: moment() };
  });
}

/** Lets go of all that came from the server: its numbers may mean other messages now. What is not stored stays. */
export function withoutPast({ key, name, own }: Conversation): Conversation {
  return { ...newConversation(key, name), own };
}

/** Lets go of the messages, keeping what the list shows. */
export function withoutLines(c: Conversation): Conversation {
  return { ...c, ...NO_LINES };
}

/** A message that is here, or quoted here. */
export function lineAt(c: Conversation, messageid: number): Line | undefined {
  return c.lines.find((line) => line.messageid === messageid) ?? c.quoted.get(messageid) ?? undefined;
}

/** A message that was chosen a while ago, as it is now. */
export function currentLine(c: Conversation | undefined, line: Line): Line {
  return c && lineAt(c, line.messageid) || line;
}

/** A message as the list shows it. */
export function lastOf({ messageid, id, name, msg, files, ts, edited }: Last): Last {
  return { messageid, id, name, msg: msg.slice(0, PREVIEW), files: files?.slice(0, 1).map(({ type }) => ({ type })), ts, edited };
}

/** Changes a message wherever it is shown. */
function changed(c: Conversation, messageid: number, how: (line: Line) => Line): Conversation {
  const quoted = c.quoted.get(messageid);
  const here = c.lines.some((line) => line.messageid === messageid);
  return {
    ...c,
    lines: here ? c.lines.map((line) => line.messageid === messageid ? how(line) : line) : c.lines,
    quoted: quoted ? new Map(c.quoted).set(messageid, how(quoted)) : c.quoted,
  };
}

/** What comes at the end is added, unless the end is not here, or is too far away from what is read. */
function atEnd(c: Conversation, line: Line, reading: boolean): Partial<Conversation> {
  if (c.moreafter) return {};
  // Nobody has asked for what was before: it is the beginning of what is kept.
  if (c.history === "unknown" && c.lines.length === 0) return { lines: [line], more: true, kept: true };
  const lines = merged(c.lines, [line], 0);
  if (lines.length <= MOST_HERE + LINES_AT_ONCE || lines.length === c.lines.length) return { lines };
  return reading ? { moreafter: true } : { lines: lines.slice(-MOST_HERE), more: true };
}

/** Of what was kept, what the server's page has too, and what came after it. */
function stillThere(lines: readonly Line[], page: readonly Line[]): readonly Line[] {
  const ids = new Set(page.map(({ messageid }) => messageid));
  const end = page.at(-1)?.messageid ?? Infinity;
  return lines.filter(({ messageid }) => messageid > end || ids.has(messageid));
}

/** Both in the order of messageid, each once; of what is in both, what is later. `asked`: when `page` was. */
function merged(lines: readonly Line[], page: readonly Line[], asked: number): readonly Line[] {
  if (page.length === 0) return lines;
  if (lines.length === 0 || lines.at(-1)!.messageid < page[0].messageid) return [...lines, ...page];
  if (page.at(-1)!.messageid < lines[0].messageid) return [...page, ...lines];
  const all = new Map(lines.map((line) => [line.messageid, line]));
  for (const line of page) all.set(line.messageid, newerOf(all.get(line.messageid), line, asked));
  return [...all.values()].sort((x, y) => x.messageid - y.messageid);
}

/** What is here stays the same object unless something is another, so that it need not be drawn again. */
function newerOf(here: Line | undefined, told: Line, asked: number): Line {
  if (!here || here.deleted) return here ?? told;
  if (told.deleted) return told;
  const text = (told.edited ?? 0) > (here.edited ?? 0) ? { msg: told.msg, edited: told.edited } : {};
  // A message that comes by itself says nothing of reactions.
  const known = asked === 0 || (here.touched ?? 0) > asked || JSON.stringify(here.reactions ?? []) === JSON.stringify(told.reactions ?? []);
  const files = told.files && here.files?.some(({ url }) => url === "") ? { files: told.files } : {};
  if (known && text.msg === undefined && !files.files) return here;
  return { ...here, ...text, ...files, ...known ? {} : { reactions: told.reactions } };
}

function withoutMids(own: readonly Line[], stored: readonly Line[]): readonly Line[] {
  if (own.length === 0) return own;
  const mids = new Set(stored.filter((line) => line.id === own[0].id).map((line) => line.mid));
  return own.filter((line) => !mids.has(line.mid));
}

function later(last: Last | undefined, line: Line): Last {
  return last && last.messageid >= line.messageid ? last : lastOf(line);
}
