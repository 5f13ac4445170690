/**
 * Rows that others hold for long: a node that stands still in mid-transaction, an operator. Who has nothing to do with them must not wait for them.
 *
 * 1. Who locks several rows waits for each in their order, with those before it in hand (`pool.ts`, rule 5): most often for milliseconds, never for longer than a
 *    lock wait (`link.ts`). When one ran out all is let go, and this process is wary until no row was found held for long for {@linkcode WARY_MS}.
 * 2. Who is wary waits for no row of a user, group, message or unused file with others in hand: what is free is locked (SKIP LOCKED), what is not is looked at
 *    again for {@linkcode LOOKS_MS}: others lock rows, too, and most of them for a moment. What was held then is looked at once, as long as it stays so.
 * 3. What can be done in part is: append, release, confirm, sweep, claiming anew leave to later what needs a held row. All else lets go of everything, and
 *    begins again after a pause (`pool.ts`). So a held row holds up nobody but those who need it.
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

type Table = "user" | "allgroup" | "message";

/** The statement that locks these rows in the order of their ids. */
export function lockingRows(table: Table, columns: readonly string[], ids: readonly number[], how: "" | " SKIP LOCKED" = ""): string {
  // Without the hint a small table is scanned, which waits for the locks of rows that are none of our business.
  return `SELECT ${columns.join()} FROM ${table} FORCE INDEX (PRIMARY) WHERE id IN (${numbers(ids)}) ORDER BY id FOR UPDATE${how}`;
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

  /** Locks those of these rows that are free, in a transaction that has begun. @returns them, and which are held by others. */
  async lockFree<Row extends { id: number }>(
    tx: Link,
    table: Table,
    columns: readonly string[],
    ids: Iterable<number>,
  ): Promise<{ rows: Row[]; held: Set<number> }> {
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
    const there = await tx.script(
      [...pieces(missing)].map((piece) => `SELECT id FROM ${table} FORCE INDEX (PRIMARY) WHERE id IN (${numbers(piece)})`),
    );
    missing = (there.flat() as { id: number }[]).map(({ id }) => id);
    const held = new Set(missing.filter((id) => this.#held.has(`${table} ${id}`)));
    missing = missing.filter((id) => !held.has(id));
    for (const ms of LOOKS_MS) {
      if (missing.length === 0) break;
      await this.pause(ms);
      missing = await look(missing);
    }
    for (const id of missing) held.add(id);
    const now = performance.now();
    for (const id of held) {
      const key = `${table} ${id}`, since = this.#held.get(key) ?? now;
      this.#held.set(key, since);
      if (now - since >= LONG_MS) this.met();
    }
    return { rows, held };
  }
}
