/**
 * Rows that others hold for long: a node that stands still in mid-transaction, an operator. Who has nothing to do with them must not wait for them.
 *
 * 1. Who locks several rows waits for each in their order, with those before it in hand (`pool.ts`, rule 5): most often for milliseconds, never for longer than a
 *    lock wait (`link.ts`). When one ran out all is let go, and this process is wary until no row was found held for long for {@linkcode WARY_MS}.
 * 2. Who is wary waits for no row of a user, group, message or unused file with others in hand: what is free is locked (SKIP LOCKED), what is not is looked at
 *    again for {@linkcode LOOKS_MS}: others lock rows, too, and most of them for a moment. What was held then is looked at once, as long as it stays so.
 * 3. What can be done in part is: append, release, confirm, sweep, claiming anew, expiring and forgetting leave to later what needs a held row, the devices' and
 *    logs' among them. All else lets go of everything, and begins again after a pause (`pool.ts`). So a held row holds up nobody but those who need it.
 * 4. What needs no lock to be known is not waited for by who is wary: that a conversation has its rows of `talk`, that somebody is not in a group.
 */
import { log } from "../../ops/log.ts";
import type { Link } from "./link.ts";
import { lockOrder, numbers, pieces } from "./sql.ts";

/** Longer than it takes to begin again. */
const WARY_MS = 5000;
/** What is found held for so long is held for long: as long as a lock wait. Rows of busy users are found locked again and again, by others that take a moment. */
const LONG_MS = 1000;
/** Between the looks at what is not free. */
const LOOKS_MS = [5, 10, 20, 40, 80];

/** The tables, and which of their rows are looked at. */
const TABLES = { user: "", allgroup: "", message: "", file: " AND used = 0" };
type Table = keyof typeof TABLES;

function selecting(table: Table, columns: readonly string[], ids: readonly number[]): string {
  // Without the hint a small table is scanned, which waits for the locks of rows that are none of our business.
  return `SELECT ${columns.join()} FROM ${table} FORCE INDEX (PRIMARY) WHERE id IN (${numbers(ids)})${TABLES[table]}`;
}

/** The statement that locks these rows in the order of their ids. */
export function lockingRows(table: Table, columns: readonly string[], ids: readonly number[], how: "" | " SKIP LOCKED" = ""): string {
  return `${selecting(table, columns, ids)} ORDER BY id FOR UPDATE${how}`;
}

/** What this process knows of rows that others hold. */
export class HeldRows {
  #waryUntil = -Infinity;
  /** Those that were held when they were looked at last, table and id; since when they were found so (performance.now). */
  readonly #held = new Map<string, number>();

  /** `pause` resolves after so long (ms), or when all is closed. */
  constructor(private readonly pause: (ms: number) => Promise<void>) {}

  /** Nobody is to wait for a row with others in hand. */
  get wary(): boolean {
    if (performance.now() < this.#waryUntil) return true;
    this.#held.clear();
    return false;
  }

  /** A row was not to be had. */
  met(): void {
    if (!this.wary) log.warning("rows of the database are held by others for long, who does not need them goes on without");
    this.#waryUntil = performance.now() + WARY_MS;
  }

  /** Locks those of these rows that are free, in a transaction that has begun. @returns them, and those that others hold, as they were committed last. */
  async lockFree<Row extends { id: number }>(
    tx: Link,
    table: Table,
    columns: readonly string[],
    ids: Iterable<number>,
  ): Promise<{ rows: Row[]; held: Map<number, Row> }> {
    const rows: Row[] = [];
    const look = async (wanted: number[]): Promise<number[]> => {
      const found = (await tx.script([...pieces(wanted)].map((piece) => lockingRows(table, columns, piece, " SKIP LOCKED")))).flat() as Row[];
      rows.push(...found);
      for (const { id } of found) this.#held.delete(`${table} ${id}`);
      const free = new Set(found.map(({ id }) => id));
      return wanted.filter((id) => !free.has(id));
    };
    let missing = await look(lockOrder(ids));
    // Who is not there is not held.
    const there = (await tx.script([...pieces(missing)].map((piece) => selecting(table, columns, piece)))).flat() as Row[];
    const known = new Map(there.map((row) => [row.id, row]));
    const long = [...known.keys()].filter((id) => this.#held.has(`${table} ${id}`));
    missing = [...known.keys()].filter((id) => !long.includes(id));
    for (const ms of LOOKS_MS) {
      if (missing.length === 0) break;
      await this.pause(ms);
      missing = await look(missing);
    }
    missing.push(...long);
    this.#foundHeld(missing.map((id) => `${table} ${id}`));
    return { rows, held: new Map(missing.map((id) => [id, known.get(id)!])) };
  }

  /**
   * Locks rows of users, one condition for each, whose own rows are locked: nobody holds one for a moment who has not the user's.
   *
   * @returns the users of whom others hold one
   */
  async lockTheirs(tx: Link, table: "device" | "inbox", wheres: ReadonlyMap<number, string>): Promise<number[]> {
    const from = [...pieces([...wheres.values()])].map((piece) => `FROM ${table} FORCE INDEX (PRIMARY) WHERE ${piece.join(" OR ")}`);
    const results = await tx.script([
      ...from.map((from) => `SELECT userid ${from} FOR UPDATE SKIP LOCKED`),
      ...from.map((from) => `SELECT userid, COUNT(*) AS n ${from} GROUP BY userid`),
    ]);
    const there = results.splice(from.length).flat() as { userid: number; n: number }[];
    const free = Map.groupBy(results.flat() as { userid: number }[], ({ userid }) => userid);
    const held = new Set(there.flatMap(({ userid, n }) => (free.get(userid)?.length ?? 0) < n ? userid : []));
    for (const id of wheres.keys()) if (!held.has(id)) this.#held.delete(`${table} ${id}`);
    this.#foundHeld([...held].map((id) => `${table} ${id}`));
    return [...held];
  }

  /** Others hold these. */
  #foundHeld(keys: string[]): void {
    const now = performance.now();
    for (const key of keys) {
      const since = this.#held.get(key) ?? now;
      this.#held.set(key, since);
      if (now - since >= LONG_MS) this.met();
    }
  }
}
