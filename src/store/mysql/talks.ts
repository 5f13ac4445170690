/**
 * What users keep of their conversations: how far they have read, and what they set.
 *
 * 1. A conversation of two has its two rows of `talk` from the transaction of its first message on; a member of a group from the joining on, until the leaving. Which
 *    pairs have theirs is remembered, when they are committed, so that a message pays nothing for it.
 * 2. `talk.upto` never falls: the statement that raises it looks. Who writes has read what was there: that is not written, but seen when somebody asks.
 * 3. No lock is held while another is waited for: a row is written by a statement of its own, or by a transaction that waits for nothing else any more.
 */
import { reactionsOf } from "../deeds.ts";
import type { Append, Conversation, GroupId, Read, Store, StoredMessage, Talk, TalkSettings, TalksPlace, UserId } from "../store.ts";
import { pageOf } from "../talk_order.ts";
import { asking, closed } from "./history.ts";
import { byUser, findingNodes } from "./user_logs.ts";
import { columns, type MessageRow, stored, within } from "./message_row.ts";
import type { Pool } from "./pool.ts";
import { numbers, pieces, type Value } from "./sql.ts";
import { visibleTo } from "./visible.ts";

/** How many unread messages are counted, and how far down somebody's own newest message is looked for. */
const MOST_UNREAD = 100;
/** How many conversations of two are listed at once: some milliseconds to read. */
const LISTED_AT_ONCE = 1000;
/** How many texts are looked at first: most often one's own is among them. */
const FIRST_LOOK = 10;
/** What of the last text is read (characters). */
const LAST_READ = 1200;
/** How often a list is read, if what stands in it goes meanwhile. */
const TALKS_TRIES = 4;
/** How many pairs are remembered. */
const MOST_PAIRS = 100_000;

/** Which conversations of two have their rows. */
export class Pairs {
  readonly #known = new Set<string>();

  /** The rows of these messages' conversations, where they may have none. */
  #missing(messages: readonly Pick<Append, "sender" | "toid">[]): [UserId, UserId][] {
    const rows = new Map<string, [UserId, UserId]>();
    for (const { sender, toid } of messages) {
      if (toid === undefined || this.#known.has(pair(sender, toid))) continue;
      for (const row of [[sender, toid], [toid, sender]] as [UserId, UserId][]) rows.set(row.join(), row);
    }
    return [...rows.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  }

  /** The statements that tell which of them are there: whoever holds one is not waited for. */
  finding(messages: readonly Pick<Append, "sender" | "toid">[]): string[] {
    return [...pieces(this.#missing(messages))].map((piece) =>
      "SELECT userid, toid FROM talk FORCE INDEX (PRIMARY) WHERE " + piece.map(([userId, toid]) => keyOf(userId, { toid })).join(" OR ")
    );
  }

  /** The statements that give these messages' conversations their rows, where they may have none. `there`: those that are known to have theirs. */
  adding(messages: readonly Pick<Append, "sender" | "toid">[], there: readonly { userid: UserId; toid: UserId }[]): string[] {
    const known = new Set(there.map(({ userid, toid }) => `${userid},${toid}`));
    const rows = this.#missing(messages).filter((row) => !known.has(row.join()));
    return [...pieces(rows)].map((piece) =>
      `INSERT IGNORE INTO talk (userid, toid, groupid, upto) VALUES ${piece.map((row) => `(${numbers(row)}, 0, 0)`).join()}`
    );
  }

  /** They were committed. */
  added(messages: readonly Pick<Append, "sender" | "toid">[]): void {
    if (this.#known.size >= MOST_PAIRS) this.#known.clear();
    for (const { sender, toid } of messages) if (toid !== undefined) this.#known.add(pair(sender, toid));
  }
}

function pair(a: UserId, b: UserId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** The statement for a member who comes, and has read what there is. */
export function joining(userId: UserId, groupid: GroupId, newest: number): string {
  return `INSERT INTO talk (userid, toid, groupid, upto) VALUES (${numbers([userId, 0, groupid, newest])})`;
}

/** The statement for a member who goes. */
export function leaving(userId: UserId, groupid: GroupId): string {
  return `DELETE FROM talk WHERE ${keyOf(userId, { groupid })}`;
}

/** The row of `talk`. */
function keyOf(userId: UserId, { toid, groupid }: Conversation): string {
  return `userid = ${numbers([userId])} AND toid = ${numbers([toid ?? 0])} AND groupid = ${numbers([groupid ?? 0])}`;
}

/** Of two users `me` and `peer`, that each may know how far the other has read. */
const ARE_TOLD = "me.receipts AND peer.receipts AND NOT EXISTS (SELECT 1 FROM block b WHERE b.userid = me.id AND b.blocked = peer.id) " +
  "AND NOT EXISTS (SELECT 1 FROM block b WHERE b.userid = peer.id AND b.blocked = me.id)";

/** Those of these others who may know how far the user has read, and the user of them. */
function askingTold(userId: UserId, others: UserId[]): string {
  return `SELECT peer.id FROM user me JOIN user peer ON peer.id <> me.id WHERE me.id = ${numbers([userId])} AND peer.id IN (${numbers(others)}) ` +
    `AND ${ARE_TOLD}`;
}

interface TalkRow {
  toid: UserId;
  groupid: GroupId;
  upto: number;
  muted: number;
  pinned: number;
  archived: number;
  /** Of the peer's row. */
  peerupto: number | null;
  name: string;
  newest: number | null;
}

/** A conversation that is to be shown. */
export interface Listed {
  of: Conversation;
  row: TalkRow;
  newest: number;
}

/** A text, as it is counted. */
interface TextRow {
  /** Of which of the conversations. */
  n: number;
  id: number;
  sender: UserId;
  deleted: number;
}

/** What stands behind what was read. */
interface Counted {
  /** The user's own newest text; 0: none was found. */
  own: number;
  /** That of the others. */
  others: number;
  unread: number;
  /** More texts would change nothing of it. */
  settled: boolean;
}

const KEPT = "t.toid, t.groupid, t.upto, t.muted, t.pinned, t.archived";

function newestText(where: string, hint = ""): string {
  return `(SELECT m.id FROM message m ${hint} WHERE ${where} AND m.deleted = 0 ORDER BY m.id DESC LIMIT 1) AS newest`;
}

/** Of groups, where much may be no text. */
const BY_TEXTS = "FORCE INDEX (message_text)";

/** The statement that gives the user's conversations of two with those whose numbers are higher, with their newest texts, by these numbers. */
function listingPeers(userId: UserId, above: UserId): string {
  const between = "m.lo = LEAST(t.userid, t.toid) AND m.hi = GREATEST(t.userid, t.toid) AND m.kind = 0";
  return `SELECT ${KEPT}, o.upto AS peerupto, p.name, ${newestText(between)} ` +
    "FROM talk t STRAIGHT_JOIN user p ON p.id = t.toid LEFT JOIN talk o ON o.userid = t.toid AND o.toid = t.userid AND o.groupid = 0 " +
    `WHERE t.userid = ${numbers([userId])} AND t.toid > ${numbers([above])} ORDER BY t.toid LIMIT ${numbers([LISTED_AT_ONCE])}`;
}

/** The statement that gives the user's groups, with their newest texts. */
function listingGroups(userId: UserId): string {
  return `SELECT ${KEPT}, NULL AS peerupto, g.groupname AS name, ${
    newestText(`m.groupid = t.groupid AND m.id >= gu.sees AND ${visibleTo(userId)}`, BY_TEXTS)
  } FROM talk t ` +
    "STRAIGHT_JOIN groupuser gu ON gu.groupid = t.groupid AND gu.userid = t.userid STRAIGHT_JOIN allgroup g ON g.id = t.groupid " +
    `WHERE t.userid = ${numbers([userId])} AND t.toid = 0`;
}

/** The statement that gives up to so many of the newest texts of each of these conversations, down to where those in it have read. */
function walking(userId: UserId, talks: { talk: Listed; n: number }[], most: number): string {
  const selects = talks.flatMap(({ talk: { of, row }, n }) => {
    const isGroup = of.toid === undefined;
    const above = numbers([isGroup ? row.upto : Math.min(row.upto, row.peerupto ?? 0)]);
    const select = (hint: string, and: string) =>
      `(SELECT ${n} AS n, m.id, m.sender, m.deleted FROM message m ${hint} WHERE ${within(userId, of)} AND m.id > ${above} AND ${and} ` +
      `ORDER BY m.id DESC LIMIT ${most})`;
    // What stands between two they may see, and the database need not be asked a hundred times.
    return isGroup ? [0, 1].map((deleted) => select(BY_TEXTS, `m.deleted = ${deleted} AND ${visibleTo(userId)}`)) : select("", "m.kind = 0");
  });
  return selects.join(" UNION ALL ");
}

/** Counts the newest texts of a conversation, of which up to `most` were asked for. */
function count(userId: UserId, { of, row }: Listed, found: TextRow[], most: number): Counted {
  const texts = found.sort((a, b) => b.id - a.id).slice(0, most);
  let unread = 0, own = 0, others = 0;
  for (const { id, sender, deleted } of texts) {
    if (sender === userId) own ||= id;
    else others ||= id;
    if (sender !== userId && deleted === 0 && own === 0 && id > row.upto) unread++;
  }
  const oldest = texts.at(-1)?.id ?? 0;
  const knows = { own: own > 0 || oldest <= row.upto, others: of.toid === undefined || others > 0 || oldest <= (row.peerupto ?? 0) };
  return { unread, own, others, settled: texts.length < most || knows.own && knows.others };
}

function counting(userId: UserId, talks: { talk: Listed; n: number }[], rows: TextRow[], most: number): Map<number, Counted> {
  const texts = Map.groupBy(rows, ({ n }) => n);
  return new Map(talks.map(({ talk, n }) => [n, count(userId, talk, texts.get(n) ?? [], most)]));
}

/** The part of the store that is what users keep of conversations. */
export function talks(db: Pool): Pick<Store, "read" | "talks" | "keep"> {
  async function read(userId: UserId, of: Conversation, messageid: number): Promise<Read | "NO_USER" | "NO_GROUP" | "NOT_MEMBER"> {
    const [asked, [row], [{ newest }]] = await db.readAll([
      asking(userId, of),
      `SELECT upto FROM talk WHERE ${keyOf(userId, of)}`,
      `SELECT COALESCE(MAX(id), 0) AS newest FROM message WHERE ${within(userId, of)} AND id <= ${numbers([messageid])}`,
    ]) as [unknown, { upto: number }[], { newest: number }[]];
    const refused = closed(asked, of);
    if (refused) return refused;
    if (!row || newest <= row.upto) return { read: row?.upto ?? 0, risen: false, nodes: [], peerNodes: [] };
    const { affectedRows } = await db.write(`UPDATE talk SET upto = ? WHERE ${keyOf(userId, of)} AND upto < ?`, [newest, newest]);
    // Another device was faster, or the user has left.
    if (affectedRows === 0) return await read(userId, of, messageid);
    const peer = of.toid === undefined || of.toid === userId ? [] : [of.toid];
    const [nodes, told = []] = await db.readAll([...findingNodes([userId, ...peer]), ...peer.length > 0 ? [askingTold(userId, peer)] : []]);
    const where = byUser(nodes as { userid: UserId; node: string }[]);
    return {
      read: newest,
      risen: true,
      nodes: where.get(userId) ?? [],
      peerNodes: (told as { id: UserId }[]).flatMap(({ id }) => where.get(id) ?? []),
    };
  }

  /** All that the user has, with their newest texts. */
  async function listed(userId: UserId): Promise<TalkRow[]> {
    const [groups, peers] = await db.readAll([listingGroups(userId), listingPeers(userId, 0)]) as [TalkRow[], TalkRow[]];
    const rows = [...peers, ...groups];
    for (let some = peers; some.length === LISTED_AT_ONCE;) {
      [some] = await db.readAll([listingPeers(userId, some.at(-1)!.toid)]) as [TalkRow[]];
      rows.push(...some);
    }
    return rows;
  }

  /** `stale`: a newest text of the list was not there any more when it was read. */
  async function talksOf(userId: UserId, limit: number, after: TalksPlace | undefined) {
    const rows = await listed(userId);
    const all = rows.map((row): Listed => ({
      of: row.toid === 0 ? { groupid: row.groupid } : { toid: row.toid },
      row,
      newest: row.newest ?? 0,
    }));
    const { page, next } = pageOf(all, limit, after);
    if (page.length === 0) return { talks: [], next, count: all.length, stale: false };
    const newest = page.flatMap(({ newest }) => newest === 0 ? [] : newest);
    const peers = page.flatMap(({ of }) => of.toid ?? []);
    const few = page.map((talk, n) => ({ talk, n }));
    const [walked, last, told] = await db.readAll([
      walking(userId, few, FIRST_LOOK),
      `SELECT ${columns(`LEFT(m.msg, ${LAST_READ})`)}, m.reactions FROM message m JOIN user u ON u.id = m.sender ` +
      `WHERE m.id IN (${numbers([0, ...newest])}) AND m.deleted = 0 AND ${visibleTo(userId)}`,
      askingTold(userId, [0, ...peers]),
    ]) as [TextRow[], (MessageRow & { reactions: string | null })[], { id: UserId }[]];
    const counted = counting(userId, few, walked, FIRST_LOOK);
    const long = few.filter(({ n }) => !counted.get(n)!.settled);
    if (long.length > 0) {
      const [rest] = await db.readAll([walking(userId, long, MOST_UNREAD)]) as [TextRow[]];
      for (const [n, count] of counting(userId, long, rest, MOST_UNREAD)) counted.set(n, count);
    }
    const texts = new Map(last.map((row) => [row.id, row]));
    const known = new Set(told.map(({ id }) => id));
    const talks = page.map((talk, n) => shown(talk, counted.get(n)!, texts.get(talk.newest), known));
    return { talks, next, count: all.length, stale: newest.some((id) => !texts.has(id)) };
  }

  return {
    read,

    async talks(userId, limit, after) {
      let page = await talksOf(userId, limit, after);
      // A text was deleted, or a group left, since the list was read.
      for (let tries = 1; page.stale && tries < TALKS_TRIES; tries++) page = await talksOf(userId, limit, after);
      const { talks, next, count } = page;
      return { talks, next, count };
    },

    async keep(userId, of, settings) {
      const [asked] = await db.readAll([asking(userId, of)]);
      const refused = closed(asked, of);
      if (refused) return refused;
      const { names, values } = columnsOf(settings);
      if (names.length === 0) return "OK";
      const set = names.map((name) => `${name} = ?`).join();
      if (of.toid === undefined) {
        // A member has a row. Who has none any more has left meanwhile.
        const { affectedRows } = await db.write(`UPDATE talk SET ${set} WHERE ${keyOf(userId, of)}`, values);
        if (affectedRows > 0) return "OK";
        const [again] = await db.readAll([asking(userId, of)]);
        return closed(again, of) ?? "NOT_MEMBER";
      }
      await db.write(
        `INSERT INTO talk (userid, toid, groupid, upto, ${names}) SELECT id, ?, 0, 0, ${
          names.map(() => "?")
        } FROM user WHERE id = ? AND deleted = 0 ` +
          `ON DUPLICATE KEY UPDATE ${set}`,
        [of.toid, ...values, userId, ...values],
      );
      return "OK";
    },
  };
}

function columnsOf({ muted, pinned, archived }: Partial<TalkSettings>): { names: string[]; values: Value[] } {
  const given = Object.entries({ muted, pinned, archived }).flatMap(([name, value]) => value === undefined ? [] : [{ name, value: Number(value) }]);
  return { names: given.map(({ name }) => name), values: given.map(({ value }) => value) };
}

function shown(
  { of, row }: Listed,
  counted: Counted,
  text: MessageRow & { reactions: string | null } | undefined,
  told: Set<UserId>,
): Talk {
  const { upto, muted, pinned, archived, peerupto, name } = row;
  return {
    ...of,
    ...{ muted, pinned: pinned === 1, archived: archived === 1, name, last: text && lastOf(text) },
    ...{ unread: counted.unread, read: Math.max(upto, counted.own) },
    ...of.toid !== undefined && told.has(of.toid) ? { peerread: Math.max(peerupto ?? 0, counted.others) } : {},
  };
}

function lastOf({ reactions, ...row }: MessageRow & { reactions: string | null }): StoredMessage {
  return { ...stored(row), ...reactions === null ? {} : { reactions: reactionsOf(reactions) } };
}
