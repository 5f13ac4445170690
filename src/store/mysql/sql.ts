// Lists and literals in statements. In prepared ones every length of a list would be a statement of its own, so lists come in few lengths: what may be
// repeated without harm (IN, joins with a list of values) is padded with its last element to a power of two, what may not (INSERT) is cut into few sizes.
// What is not prepared has its values written into it: numbers by `numbers`, everything else by `literal`, in hexadecimal, which nothing can end.

import { Buffer } from "node:buffer";

/** What a placeholder may stand for. */
export type Value = string | number | boolean | null | Uint8Array;

/** Longest list of one statement. MariaDB turns an IN of more than 1,000 into a join, which would lock in an order of its own. */
export const LONGEST_LIST = 512;

/** The list in pieces of at most {@linkcode LONGEST_LIST}. */
export function* pieces<T>(list: readonly T[]): Generator<T[]> {
  for (let i = 0; i < list.length; i += LONGEST_LIST) yield list.slice(i, i + LONGEST_LIST);
}

/** The list, its last element repeated up to the next power of two. */
export function padded<T>(list: readonly T[]): T[] {
  const size = 2 ** Math.ceil(Math.log2(list.length));
  return [...list, ...Array<T>(size - list.length).fill(list[list.length - 1])];
}

/** `n` times `mark`, joined by commas. */
export function marks(n: number, mark = "?"): string {
  return Array<string>(n).fill(mark).join(", ");
}

/** Numbers as SQL, joined by commas. Throws for anything but integers: whatever else is written into a statement could be SQL. */
export function numbers(list: readonly number[]): string {
  if (!list.every(Number.isSafeInteger)) throw new TypeError("not an integer");
  return list.join();
}

/** One value as SQL. Throws for numbers that are no integers. */
export function literal(value: string | number | null | Uint8Array): string {
  if (value === null) return "NULL";
  if (typeof value === "number") return numbers([value]);
  const hex = Buffer.from(value as string).toString("hex");
  return typeof value === "string" ? `_utf8mb4 X'${hex}'` : `X'${hex}'`;
}

/** Values as SQL, in parentheses. */
export function tuple(values: readonly (string | number | null | Uint8Array)[]): string {
  return `(${values.map(literal).join()})`;
}

/** A derived table of a padded list of rows: `SELECT CAST(? AS SIGNED) AS id, … UNION ALL …`. */
export function valueTable(rows: number, columns: Record<string, "SIGNED" | "CHAR" | "BINARY">): string {
  const named = Object.entries(columns).map(([name, type]) => `CAST(? AS ${type}) AS ${name}`).join(", ");
  const plain = Object.values(columns).map((type) => `CAST(? AS ${type})`).join(", ");
  return [`SELECT ${named}`, ...Array<string>(rows - 1).fill(`SELECT ${plain}`)].join(" UNION ALL ");
}

/**
 * The statement that deletes the rows whose columns are these, up to {@linkcode LONGEST_LIST}; found by that index. A DELETE that lists them itself may scan a
 * small table, whatever hint it has (MariaDB), and wait for rows that are none of our business: for those who wait for ours that is a deadlock.
 */
export function deleting(
  table: string,
  columns: readonly string[],
  rows: readonly (readonly (string | number | Uint8Array)[])[],
  index = "PRIMARY",
): string {
  const asked = rows.map((row) => "SELECT " + row.map((value, i) => `${literal(value)} AS ${columns[i]}`).join()).join(" UNION ALL ");
  const on = columns.map((column) => `${table}.${column} = asked.${column}`).join(" AND ");
  return `DELETE ${table} FROM (${asked}) asked STRAIGHT_JOIN ${table} FORCE INDEX (${index}) ON ${on}`;
}

/** The list cut into pieces of up to 16, or of 4, 5, 6 or 7 times a power of two: two pieces for a hundred, three for more. */
export function* insertPieces<T>(list: readonly T[]): Generator<T[]> {
  for (let i = 0; i < list.length;) {
    const rest = list.length - i;
    const step = 2 ** (Math.floor(Math.log2(rest)) - 2);
    const size = rest <= 16 ? rest : Math.min(LONGEST_LIST, rest - rest % step);
    yield list.slice(i, i + size);
    i += size;
  }
}

/** Sorted, each once: the order in which rows are locked everywhere. */
export function lockOrder(ids: Iterable<number>): number[] {
  return [...new Set(ids)].sort((a, b) => a - b);
}
