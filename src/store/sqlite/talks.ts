/**
 * What users keep of their conversations: how far they have read, and what they set.
 *
 * 1. A conversation of two has its two rows of `talk` from the transaction of its first message on; a member of a group from the joining on. Which pairs have
 *    theirs is remembered for one `generation` of the database, so that a message pays nothing for it.
 * 2. `talk.upto` never falls. Who writes has read what was there: that is not written, but seen when somebody asks.
 */
import { reactionsOf } from "../deeds.ts";
import type { Conversation, GroupId, Read, State, Store, StoredMessage, Talk, TalkSettings, UserId } from "../store.ts";
import { type Looked, Silences, SILENT_AT_ONCE } from "../silences.ts";
import { pageOf } from "../talk_order.ts";
import type { Database } from "./database.ts";
import { closed, newestOf, placeOf, seesFrom } from "./history.ts";
import { MESSAGE_COLUMNS, type MessageRow, stored } from "./message_row.ts";
import type { Node } from "./node.ts";
import { IN_TAIL } from "./tail.ts";

/** How many unread messages are counted, and how far down somebody's own newest message is looked for. */
const MOST_UNREAD = 100;
/** How many conversations are looked into at once: some milliseconds. */
const TALKS_AT_ONCE = 25;
/** How many newest texts are looked up at once: some milliseconds; and among how many of a conversation of two. */
const LISTED_AT_ONCE = 250, LOOKED_AMONG = 10;
/** How often the newest text of a conversation is looked up, if it is deleted meanwhile. */
const LAST_TRIES = 4;
/** How many pairs are remembered. */
const MOST_PAIRS = 100_000;

/** The texts of the group ?1; with whether they were deleted, there is an index for it. */
const SAID = "SELECT id FROM message WHERE groupid = ?1 AND kind = 0";
const INSERT = "INSERT OR IGNORE INTO talk (userid, toid, groupid, upto) VALUES (?, ?, ?, ?)";

/** Which conversations of two have their rows. Only in `write`. */
export class Pairs {
  readonly #db: Database;
  /** By the lower id of the two. */
  readonly #known = new Map<UserId, Set<UserId>>();
  #count = 0;
  #generation = -1;

  /** Nothing is known yet. */
  constructor(db: Database) {
    this.#db = db;
  }

  /** There is a message between these two. */
  add(a: UserId, b: UserId): void {
    const { generation } = this.#db;
    if (generation !== this.#generation || this.#count >= MOST_PAIRS) {
      this.#known.clear();
      this.#count = 0;
    }
    this.#generation = generation;
    const low = Math.min(a, b), high = Math.max(a, b);
    let peers = this.#known.get(low);
    if (peers?.has(high)) return;
    this.#db.run(INSERT, a, b, 0, 0);
    this.#db.run(INSERT, b, a, 0, 0);
    if (!peers) this.#known.set(low, peers = new Set());
    peers.add(high);
    this.#count++;
  }
}

/** A member has come, and has read what there is. In `write`. */
export function joined(db: Database, userId: UserId, groupid: GroupId): void {
  const [newest] = db.row<[number]>(newestOf(`${SAID} AND deleted = 0 UNION ALL ${SAID} AND deleted = 1`), groupid)!;
  db.run(INSERT, userId, 0, groupid, newest);
}

/** A member has gone. In `write`. */
export function left(db: Database, userId: UserId, groupid: GroupId): void {
  db.run("DELETE FROM talk WHERE userid = ? AND toid = 0 AND groupid = ?", userId, groupid);
}

type TalkRow = [toid: UserId, groupid: GroupId, upto: number, muted: number, pinned: number, archived: number, newest: number | null];
/** A text, as it is counted. */
type TextRow = [id: number, sender: UserId, deleted: number];

/** A row of `talk` with its newest text. */
export interface Listed {
  of: Conversation;
  upto: number;
  settings: TalkSettings;
  /** What the tail holds of it, newest first. */
  tail: TextRow[];
  /** The newest text that was not deleted; 0: none; -1: it is still to be looked for. */
  newest: number;
}

const BETWEEN = "low = min(?1, t.toid) AND high = max(?1, t.toid) ORDER BY messageid DESC";
/**
 * What the user ?1 keeps of the conversations behind that with ?2 and ?3, and their newest texts that were not deleted and do not stand in the tail; -1: none is among
 * so many that were looked at.
 */
const TALKS = `SELECT t.toid, t.groupid, t.upto, t.muted, t.pinned, t.archived, iif(t.groupid = 0,
    ifnull((SELECT m.id FROM (SELECT messageid FROM conversation WHERE ${BETWEEN} LIMIT ${LOOKED_AMONG}) AS c CROSS JOIN message m ON m.id = c.messageid
        WHERE m.deleted = 0 ORDER BY c.messageid DESC LIMIT 1),
      (SELECT -1 FROM conversation WHERE ${BETWEEN} LIMIT 1 OFFSET ${LOOKED_AMONG - 1})),
    (SELECT id FROM message WHERE groupid = t.groupid AND kind = 0 AND deleted = 0
      AND id >= (SELECT sees FROM groupuser g WHERE g.groupid = t.groupid AND g.userid = ?1) ORDER BY id DESC LIMIT 1))
  FROM talk t WHERE t.userid = ?1 AND (t.toid, t.groupid) > (?2, ?3) ORDER BY t.toid, t.groupid LIMIT ${LISTED_AT_ONCE}`;

/** The name of a group, for who is in it. */
const GROUPNAME = "SELECT a.groupname FROM allgroup a JOIN groupuser g ON g.groupid = a.id WHERE a.id = ? AND g.userid = ?";

/** The part of the store that is what users keep of conversations. */
export function talkStore(db: Database, node: Node): Pick<Store, "read" | "talks" | "keep"> {
  const silences = new Silences();

  /** The texts of a conversation, newest first. */
  function* textsOf(userId: UserId, { of, tail }: Pick<Listed, "of" | "tail">): Iterable<TextRow> {
    yield* tail;
    if (of.toid === undefined) {
      const said = "SELECT id, sender, deleted FROM message WHERE groupid = ?1 AND kind = 0 AND id >= ?2 AND deleted =";
      yield* db.iterate<TextRow>(`${said} 0 UNION ALL ${said} 1 ORDER BY id DESC`, of.groupid, seesFrom(db, userId, of));
    } else {
      // What the tail held may have been filed since.
      const below = tail.at(-1)?.[0] ?? Number.MAX_SAFE_INTEGER;
      const sql = `SELECT m.id, m.sender, m.deleted FROM conversation c CROSS JOIN message m ON m.id = c.messageid
        WHERE c.low = ? AND c.high = ? AND c.messageid < ? ORDER BY c.messageid DESC`;
      yield* db.iterate<TextRow>(sql, Math.min(userId, of.toid), Math.max(userId, of.toid), below);
    }
  }

  /** All that the user has, with their newest texts. */
  async function listed(userId: UserId): Promise<Listed[]> {
    const all: Listed[] = [];
    for (let some: Listed[] = [], more = true; more; more = some.length === LISTED_AT_ONCE) {
      const last = some.at(-1)?.of;
      some = await db.read(() => behind(userId, last?.toid ?? 0, last?.groupid ?? 0));
      for (const talk of some) if (talk.newest < 0) talk.newest = await newestText(userId, talk.of);
      all.push(...some);
    }
    return all;
  }

  /** Those behind that one, which stand in the order of their keys. */
  function behind(userId: UserId, toid: UserId, groupid: GroupId): Listed[] {
    const tails = new Map<UserId, TextRow[]>();
    for (const [peer, id, own, deleted] of db.iterate<[UserId, number, number, number]>(IN_TAIL, userId)) {
      const row: TextRow = [id, own === 1 ? userId : peer, deleted];
      const known = tails.get(peer);
      if (known) known.push(row);
      else tails.set(peer, [row]);
    }
    return db.rows<TalkRow>(TALKS, userId, toid, groupid).map(([toid, groupid, upto, muted, pinned, archived, filed]) => {
      const of: Conversation = groupid === 0 ? { toid } : { groupid };
      const tail = (groupid === 0 ? tails.get(toid) : undefined) ?? [];
      const newest = tail.find(([, , deleted]) => deleted === 0)?.[0] ?? filed ?? 0;
      return { of, upto, settings: { muted, pinned: pinned === 1, archived: archived === 1 }, tail, newest };
    });
  }

  /** The newest text that was not deleted; 0: there is none. What was deleted is looked past in as many turns as it takes. */
  function newestText(userId: UserId, of: Conversation): Promise<number> {
    const [ids, first, second] = placeOf(userId, of);
    if (of.toid === undefined) {
      const sql = `${SAID} AND deleted = 0 AND id >= ?2 ORDER BY id DESC LIMIT 1`;
      return db.read(() => db.row<[number]>(sql, of.groupid, seesFrom(db, userId, of))?.[0] ?? 0);
    }
    const sql =
      `SELECT c.id, m.deleted FROM (${ids} ORDER BY 1 DESC LIMIT ${SILENT_AT_ONCE}) AS c CROSS JOIN message m ON m.id = c.id ORDER BY c.id DESC`;
    return silences.newest(`${first} ${second}`, (above, below) => db.read(() => db.rows<Looked>(sql, first, second, above, below)));
  }

  /** How far the user, and the peer, have read, and what stands behind. */
  function count(userId: UserId, talk: Listed): { unread: number; read: number; own: number; others: number } {
    let unread = 0, own = 0, others = 0, looked = 0;
    for (const [id, sender, deleted] of textsOf(userId, talk)) {
      if (looked++ === MOST_UNREAD || unread === MOST_UNREAD) break;
      if (sender === userId) own ||= id;
      else others ||= id;
      if (sender !== userId && deleted === 0 && own === 0 && id > talk.upto) unread++;
      if (own !== 0 && (others !== 0 || talk.of.toid === undefined)) break;
      if (id <= talk.upto && talk.of.toid === undefined) break;
    }
    return { unread, read: Math.max(talk.upto, own), own, others };
  }

  function messageOf(id: number): StoredMessage | undefined {
    const sql = `SELECT m.reactions, ${MESSAGE_COLUMNS} FROM message m JOIN user s ON s.id = m.sender WHERE m.id = ? AND m.deleted = 0`;
    const row = db.row<[string | null, ...MessageRow]>(sql, id);
    if (!row) return undefined;
    const [reactions, ...columns] = row;
    return { ...stored(columns), ...reactions === null ? {} : { reactions: reactionsOf(reactions) } };
  }

  /** Undefined: the user is not in the group any more, or nothing is left of what was said; `stale`: the newest text was deleted since the list was read. */
  function shown(userId: UserId, talk: Listed): Talk | undefined | "stale" {
    const { of, settings, newest } = talk;
    const last = newest === 0 ? undefined : messageOf(newest);
    if (!last && newest !== 0) return "stale";
    if (!last && of.toid !== undefined) return undefined;
    const { unread, read, others } = count(userId, talk);
    const name = of.toid === undefined
      ? db.row<[string]>(GROUPNAME, of.groupid, userId)?.[0]
      : db.row<[string]>("SELECT name FROM user WHERE id = ?", of.toid)![0];
    if (name === undefined) return undefined;
    const known: Talk = { ...of, ...settings, name, last, unread, read };
    if (of.toid === undefined || of.toid === userId || !areTold(userId, of.toid)) return known;
    const [upto] = db.row<[number]>("SELECT upto FROM talk WHERE userid = ? AND toid = ? AND groupid = 0", of.toid, userId) ?? [0];
    return { ...known, peerread: Math.max(upto, others) };
  }

  async function shownAgain(userId: UserId, talk: Listed): Promise<Talk | undefined> {
    for (let tries = 1; tries <= LAST_TRIES; tries++) {
      talk.newest = await newestText(userId, talk.of);
      const now = await db.read(() => shown(userId, talk));
      if (now !== "stale") return now;
    }
  }

  /** Whether each of the two may know how far the other has read. */
  function areTold(a: UserId, b: UserId): boolean {
    const sql = `SELECT 1 FROM user WHERE id IN (?1, ?2) AND receipts = 0
      UNION ALL SELECT 1 FROM block WHERE userid = ?1 AND blocked = ?2 UNION ALL SELECT 1 FROM block WHERE userid = ?2 AND blocked = ?1`;
    return db.row(sql, a, b) === undefined;
  }

  function nodesOf(userId: UserId): readonly string[] {
    return node.nodesOf(db.row<[State]>("SELECT state FROM user WHERE id = ?", userId)![0]);
  }

  /** The place in the conversation that `messageid` stands for, and the one that is known. In `read` or `write`. */
  function places(userId: UserId, of: Conversation, messageid: number): { wanted: number; known: number } {
    const [ids, first, second] = placeOf(userId, of);
    const [newest] = db.row<[number]>(newestOf(ids), first, second, 0, messageid + 1)!;
    const sql = "SELECT upto FROM talk WHERE userid = ? AND toid = ? AND groupid = ?";
    const row = db.row<[number]>(sql, userId, of.toid ?? 0, of.groupid ?? 0);
    return { wanted: row ? newest : 0, known: row?.[0] ?? 0 };
  }

  function mark(userId: UserId, of: Conversation, messageid: number): Read {
    const { wanted, known } = places(userId, of, messageid);
    if (wanted <= known) return { read: known, risen: false, nodes: [], peerNodes: [] };
    db.run("UPDATE talk SET upto = ? WHERE userid = ? AND toid = ? AND groupid = ?", wanted, userId, of.toid ?? 0, of.groupid ?? 0);
    const told = of.toid !== undefined && of.toid !== userId && areTold(userId, of.toid);
    return { read: wanted, risen: true, nodes: nodesOf(userId), peerNodes: told ? nodesOf(of.toid) : [] };
  }

  return {
    async read(userId, of, messageid) {
      // Most of what is said again changes nothing, and need not wait for the disk.
      const now = await db.read(() => closed(db, userId, of) ?? places(userId, of, messageid));
      if (typeof now === "string") return now;
      if (now.wanted <= now.known) return { read: now.known, risen: false, nodes: [], peerNodes: [] };
      return await db.write(() => closed(db, userId, of) ?? mark(userId, of, messageid));
    },

    async talks(userId, limit, after) {
      const all = await listed(userId);
      const { page, next } = pageOf(all, limit, after);
      const talks: Talk[] = [];
      for (let i = 0; i < page.length; i += TALKS_AT_ONCE) {
        const some = page.slice(i, i + TALKS_AT_ONCE);
        for (const [k, talk] of (await db.read(() => some.map((talk) => shown(userId, talk)))).entries()) {
          const now = talk === "stale" ? await shownAgain(userId, some[k]!) : talk;
          if (now) talks.push(now);
        }
      }
      return { talks, next, count: all.length };
    },

    keep(userId, of, settings) {
      return db.write(() => {
        const refused = closed(db, userId, of);
        if (refused) return refused;
        const key = [userId, of.toid ?? 0, of.groupid ?? 0] as const;
        if (db.row("SELECT 1 FROM user WHERE id = ? AND deleted = 0", userId)) db.run(INSERT, ...key, 0);
        for (const [column, value] of Object.entries(settings)) {
          db.run(`UPDATE talk SET ${column} = ? WHERE userid = ? AND toid = ? AND groupid = ?`, Number(value), ...key);
        }
        return "OK";
      });
    },
  };
}
