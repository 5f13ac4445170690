/**
 * What is found by which word: an inverted index (FTS5) that keeps no text. How it is written.
 *
 * 1. Rows are written behind the commit of a message, in `passing` transactions, from the mark `search_mark.upto`: a power loss takes mark and rows alike.
 * 2. A message's words are the tokens of its text, and where it stands: `c_5_9` and `u_5 u_9` between two, `g_3` in a group, `s_5` who said it. They stand in rows of
 *    at most `ROW_TOKENS` words, all with the message's number: taking a word out of the file's index securely (`secure-delete`) costs 0.1 ms.
 * 3. All words of a message that is not above the mark are in the index; if `search_part` has a row of it, its first `words` words are. So many words are taken out
 *    from the last row to the first, and put in from the first to the last, a row in each transaction, and whoever finds some of it done goes on.
 * 4. A row is removed by the words that it was made of. So whoever deletes or changes a message takes out what is left of it in the same transaction (`unindex`), and
 *    puts the new words in, or leaves them to rule 3 (`reindexed`). One with many words is changed by `changing`, which takes most of them out before: deleted words
 *    are gone when the message is.
 * 5. What is done to a message of many words waits for what is done to it already. Who goes on with what is left does not: many edits of one message would keep all
 *    others from being found.
 */
import { inTurns } from "../../async/loop.ts";
import { Turns } from "../../async/turns.ts";
import { cutting, tokensOf, VERSION } from "../../search/tokenizer.ts";
import type { GroupId, UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";

/**
 * Words of a row: 2.5 ms to take out, in an index of 300,000 messages. With another number the index is to be made anew: FTS5 counts its rows, and calls a file of
 * which more are taken out than were put in malformed.
 */
export const ROW_TOKENS = 25;
/** Rows that are put in by one transaction, and those of one message beside others: 1 to 4 us a word. */
const PUT = 20, PUT_BESIDE = 2;
/** Longer texts are taken for texts of many words (UTF-16 units): a character may be two words. */
const SHORT = 20;
/** Longer ones are not cut in a transaction. */
const LONG_TEXT = 2048;
/** Most messages of one step, and about how much text (bytes): some milliseconds. */
const INDEX_STEP = 50, INDEX_STEP_BYTES = 4 * 1024;
/** Rows of one step, texts or not. */
const LOOKED_STEP = 1000;
/** Rows of FTS5's own table that are removed in one transaction, when all is written anew: each is a page of 4 KB that is overwritten. */
const PAGES = 100;

/** What the index is made of. */
export interface Indexable {
  messageid: number;
  sender: UserId;
  toid: UserId | null;
  groupid: GroupId | null;
  msg: string;
}

type Row = [messageid: number, sender: UserId, toid: UserId | null, groupid: GroupId | null, msg: string];
type LookedRow = [messageid: number, isText: number, sender: UserId, toid: UserId | null, groupid: GroupId | null, msg: string];

/** The word that stands for a conversation of two. */
export function conversationOf(a: UserId, b: UserId): string {
  return `c_${Math.min(a, b)}_${Math.max(a, b)}`;
}

function wordsOf({ sender, toid, groupid }: Indexable, tokens: string[]): string[] {
  const place = toid === null ? [`g_${groupid}`] : [conversationOf(sender, toid), `u_${sender}`, ...sender === toid ? [] : [`u_${toid}`]];
  return [...place, `s_${sender}`, ...tokens];
}

/** One file's index. */
export class SearchIndex {
  readonly #db: Database;
  readonly #turns = new Turns<number>();
  /** The next step is for a message of many words, if there is one. */
  #forPart = false;

  constructor(db: Database) {
    this.#db = db;
  }

  /** How many words of a message are in the index: what `unindex` takes out. A text that is too long to be cut there counts as endless. In `write`. */
  wordsOf({ msg, ...message }: Indexable): number {
    if (!this.#has(message.messageid)) return 0;
    const part = this.#part(message.messageid);
    return part ?? (msg.length > LONG_TEXT ? Infinity : wordsOf({ msg, ...message }, tokensOf(msg)).length);
  }

  /** Takes what is left of a message out of the index. In `write`; by `changing` if it may have many words. */
  unindex(message: Indexable): void {
    const { messageid } = message;
    if (!this.#has(messageid)) return;
    const part = this.#part(messageid);
    if (part !== 0) {
      const words = wordsOf(message, tokensOf(message.msg)).slice(0, part);
      for (let left = words.length; left > 0;) left = this.#takeRow(messageid, words, left);
    }
    if (part !== undefined) this.#db.run("DELETE FROM search_part WHERE messageid = ?", messageid);
  }

  /** Puts a message that was taken out back in, with its new text, if the mark is past it. In `write`, by `changing` if it may have many words. */
  reindexed(message: Indexable): void {
    if (this.#has(message.messageid)) this.#put(message);
  }

  /**
   * Makes a change to this message, or removes it, when so little of it is in the index that `unindex` can take it out; the rest goes before. Afterwards what it says
   * by then is put in. @returns also how many words were taken out
   */
  changing<T>(messageid: number, change: () => Promise<T>): Promise<{ result: T; taken: number }> {
    return this.#turns.run(messageid, async () => {
      const taken = await this.#empty(messageid);
      try {
        return { result: await change(), taken };
      } finally {
        // Should it fail, `step` goes on.
        await this.#fill(messageid).catch(() => {});
      }
    });
  }

  /** One step behind the messages. @returns how many are not in the index yet, and whether there is more to do at once. */
  async step(): Promise<{ behind: number; more: boolean }> {
    const db = this.#db;
    const { upto, version, newest, part } = await db.read(() => {
      const [upto, version] = db.row<[number, number]>("SELECT upto, version FROM search_mark")!;
      const [newest] = db.row<[number | null]>("SELECT max(id) FROM message")!;
      return { upto, version, newest: newest ?? 0, part: this.#partLeft() };
    });
    // Of a newer natter, which will go on with it.
    if (version > VERSION) return { behind: 0, more: false };
    if (version < VERSION) return await db.write(() => this.#clear(), COMMIT_COST, true);
    // In turn: many long messages do not keep the short ones behind them from being found.
    this.#forPart = !this.#forPart;
    if (part !== undefined && (this.#forPart || newest <= upto)) {
      await this.#turns.run(part, () => this.#fill(part));
      return { behind: Math.max(0, newest - upto), more: true };
    }
    return newest > upto ? await db.write(() => this.#next(), COMMIT_COST, true) : { behind: 0, more: false };
  }

  /** Puts in the next messages. */
  #next(): { behind: number; more: boolean } {
    const db = this.#db;
    let [upto] = db.row<[number]>("SELECT upto FROM search_mark")!;
    // There may be much that is no text.
    const sql = "SELECT id, kind = 0 AND deleted = 0, sender, toid, groupid, msg FROM message WHERE id > ? ORDER BY id LIMIT ?";
    const messages: Indexable[] = [];
    let size = 0, looked = 0, full = false;
    for (const [messageid, isText, sender, toid, groupid, msg] of db.iterate<LookedRow>(sql, upto, LOOKED_STEP)) {
      if (isText === 1) {
        if (msg.length <= LONG_TEXT) size += msg.length;
        full = messages.length === INDEX_STEP || messages.length > 0 && size > INDEX_STEP_BYTES;
        if (full) break;
        messages.push({ messageid, sender, toid, groupid, msg });
      }
      looked++;
      upto = messageid;
    }
    for (const message of messages) this.#put(message);
    const [newest] = db.row<[number]>("SELECT ifnull(max(id), 0) FROM message")!;
    if (!full && looked < LOOKED_STEP) upto = Math.max(upto, newest);
    db.run("UPDATE search_mark SET upto = ?", upto);
    const behind = Math.max(0, newest - upto);
    const parts = db.row("SELECT 1 FROM search_part LIMIT 1") !== undefined;
    return { behind, more: behind > 0 || parts };
  }

  /** One step of the way to an empty index. Nothing is looked for in it meanwhile: rows of FTS5's own table go first, which are too many for one transaction. */
  #clear(): { behind: number; more: boolean } {
    const db = this.#db;
    // The first ones say what is in the table.
    if (db.runBelow("DELETE FROM search_data WHERE id IN (SELECT id FROM search_data WHERE id > 100 LIMIT ?)", PAGES) < PAGES) {
      db.run("INSERT INTO search (search) VALUES ('delete-all')");
      db.run("DELETE FROM search_part");
      db.run("UPDATE search_mark SET upto = 0, version = ?", VERSION);
    }
    return { behind: db.row<[number]>("SELECT ifnull(max(id), 0) FROM message")![0], more: true };
  }

  #has(messageid: number): boolean {
    return this.#db.row("SELECT 1 FROM search_mark WHERE upto >= ? AND version = ?", messageid, VERSION) !== undefined;
  }

  /** How many of its words are in the index; undefined: all, if the mark is past it. */
  #part(messageid: number): number | undefined {
    return this.#db.row<[number]>("SELECT words FROM search_part WHERE messageid = ?", messageid)?.[0];
  }

  /** A message of which words are to be put in, and to which nothing else is being done. */
  #partLeft(): number | undefined {
    for (const [messageid] of this.#db.iterate<[number]>("SELECT messageid FROM search_part")) if (!this.#turns.busy(messageid)) return messageid;
  }

  /** Puts all words of a message in, or leaves them to `#fill`. */
  #put(message: Indexable): void {
    const words = message.msg.length <= LONG_TEXT ? wordsOf(message, tokensOf(message.msg)) : undefined;
    if (words && words.length <= PUT_BESIDE * ROW_TOKENS) {
      for (let place = 0; place < words.length;) place = this.#putRow(message.messageid, words, place);
    } else this.#db.run("INSERT INTO search_part (messageid, words) VALUES (?, 0)", message.messageid);
  }

  /** @returns how many are in then */
  #putRow(messageid: number, words: string[], from: number): number {
    const row = words.slice(from, from + ROW_TOKENS);
    this.#db.run("INSERT INTO search (rowid, words) VALUES (?, ?)", messageid, row.join(" "));
    return from + row.length;
  }

  /** Takes the last row of the first `until` words out. @returns how many are left */
  #takeRow(messageid: number, words: string[], until: number): number {
    const from = Math.floor((until - 1) / ROW_TOKENS) * ROW_TOKENS;
    this.#db.run("INSERT INTO search (search, rowid, words) VALUES ('delete', ?, ?)", messageid, words.slice(from, until).join(" "));
    return from;
  }

  /** The words of a message, if it is still there and not short. */
  async #wordsOf(messageid: number): Promise<string[]> {
    const sql = "SELECT id, sender, toid, groupid, msg FROM message WHERE id = ? AND kind = 0 AND deleted = 0 AND length(msg) > ?";
    const row = await this.#db.read(() => this.#db.row<Row>(sql, messageid, SHORT));
    if (!row) return [];
    const [, sender, toid, groupid, msg] = row;
    return wordsOf({ messageid, sender, toid, groupid, msg }, await inTurns(cutting(msg)));
  }

  /** Takes a message of many words out. @returns how many words that were */
  async #empty(messageid: number): Promise<number> {
    const words = await this.#wordsOf(messageid);
    if (words.length <= ROW_TOKENS) return 0;
    let taken = 0;
    for (let more = true; more;) {
      more = await this.#db.write(
        () => {
          const until = this.#has(messageid) ? this.#part(messageid) ?? words.length : 0;
          if (until === 0) return false;
          const left = this.#takeRow(messageid, words, until);
          this.#db.run("INSERT OR REPLACE INTO search_part (messageid, words) VALUES (?, ?)", messageid, left);
          taken += until - left;
          return left > 0;
        },
        COMMIT_COST,
        true,
      );
    }
    return taken;
  }

  /** Puts the rest of a message in. */
  async #fill(messageid: number): Promise<void> {
    if (await this.#db.read(() => this.#part(messageid)) === undefined) return;
    const words = await this.#wordsOf(messageid);
    for (let more = true; more;) {
      more = await this.#db.write(
        () => {
          let place = this.#has(messageid) ? this.#part(messageid) : undefined;
          if (place === undefined) return false;
          for (let i = 0; i < PUT && place < words.length; i++) place = this.#putRow(messageid, words, place);
          if (place < words.length) this.#db.run("UPDATE search_part SET words = ? WHERE messageid = ?", place, messageid);
          else this.#db.run("DELETE FROM search_part WHERE messageid = ?", messageid);
          return place < words.length;
        },
        COMMIT_COST,
        true,
      );
    }
  }
}
