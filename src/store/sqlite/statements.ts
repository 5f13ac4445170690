/** One SQLite file that is open, and its prepared statements: reading is done in `read` and `write` of `database.ts`, changing in `write` alone. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { nodePath } from "../../node.ts";
import { StoreRefused, StoreUnavailable } from "../store.ts";
import { DatabaseFile } from "./database_file.ts";

/** How long another process is waited for (ms). */
export const LOCK_TIMEOUT = 2000;

/** How many rows a statement inserts: as many of the first as there are, then of the next. */
const BULKS = [20, 5, 1];

/** What the types of node:sqlite leave out yet: rows as arrays cost half of rows as objects. */
type Statement = StatementSync & { setReturnArrays(enabled: boolean): void };
type Connection = DatabaseSync & { enableDefensive(active: boolean): void };

export class Statements {
  /** The file as the file system has it. */
  readonly file: DatabaseFile;
  protected readonly db: Connection;
  protected readonly path: string;
  readonly #prepared = new Map<string, Statement>();
  /** By table: those that insert many rows, then those that insert few, and how many values each takes. */
  readonly #inserts = new Map<string, { width: number; statement: Statement }[]>();

  /** Opens the file, and creates it if there is none; changes nothing in it. Throws {@linkcode StoreRefused} or {@linkcode StoreUnavailable}. */
  constructor(path: string) {
    this.path = path;
    this.file = new DatabaseFile(path);
    try {
      this.db = new DatabaseSync(path, { timeout: LOCK_TIMEOUT }) as Connection;
      this.db.prepare("SELECT count(*) FROM sqlite_schema").get();
      this.file.made();
    } catch (error) {
      throw this.refusal(error);
    }
  }

  /** That the file cannot be used, as one clear line; {@linkcode StoreUnavailable} where waiting may help. */
  refusal(error: unknown): Error {
    if (error instanceof StoreRefused) return error;
    const reason = error instanceof Error ? error.message : String(error);
    if (/locked|busy/.test(reason)) return new StoreUnavailable(`the database ${this.path} is locked by another process`, { cause: error });
    const why = isFolderThere(this.path) ? reason.replace(`: ${this.path}`, "") : `there is no folder ${nodePath().dirname(this.path)}`;
    return new StoreRefused(`the database ${this.path} cannot be used: ${why}`, { cause: error });
  }

  /** Runs SQL of several statements; for the schema. */
  exec(sql: string): void {
    this.db.exec(sql);
  }

  /** The first row of a statement as an array of its columns. */
  row<T extends unknown[]>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.prepare(sql).get(...values) as unknown as T | undefined;
  }

  /** All rows of a statement. */
  rows<T extends unknown[]>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.prepare(sql).all(...values) as unknown as T[];
  }

  /** The rows of a statement, one by one, as long as they are asked for. */
  iterate<T extends unknown[]>(sql: string, ...values: SQLInputValue[]): Iterable<T> {
    return this.prepare(sql).iterate(...values) as unknown as Iterable<T>;
  }

  /** Runs a statement. @returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.prepare(sql).run(...values).changes);
  }

  /** {@linkcode Statements.run} on a table in which a virtual one keeps what it has. */
  runBelow(sql: string, ...values: SQLInputValue[]): number {
    this.db.enableDefensive(false);
    try {
      return this.run(sql, ...values);
    } finally {
      this.db.enableDefensive(true);
    }
  }

  /** Runs an INSERT. @returns the new row's id, undefined if a conflict kept it out. */
  insert(sql: string, ...values: SQLInputValue[]): number | undefined {
    const { changes, lastInsertRowid } = this.prepare(sql).run(...values);
    return Number(changes) > 0 ? Number(lastInsertRowid) : undefined;
  }

  /**
   * Inserts rows, given as the columns of one after those of the other; these are the same for a table always. Several in a statement, which costs a third of one for
   * each (docs/performance.md).
   */
  insertAll(table: string, columns: readonly string[], values: readonly SQLInputValue[]): void {
    let inserts = this.#inserts.get(table);
    if (!inserts) this.#inserts.set(table, inserts = BULKS.map((rows) => this.#insert(table, columns, rows)));
    let at = 0;
    for (const { width, statement } of inserts) {
      for (; at + width <= values.length; at += width) statement.run(...values.slice(at, at + width));
    }
  }

  #insert(table: string, columns: readonly string[], rows: number): { width: number; statement: Statement } {
    const row = `(${columns.map(() => "?").join()})`;
    const sql = `INSERT INTO ${table} (${columns.join()}) VALUES ${Array(rows).fill(row).join()}`;
    return { width: rows * columns.length, statement: this.prepare(sql) };
  }

  /** The statement, prepared once. */
  protected prepare(sql: string): Statement {
    let statement = this.#prepared.get(sql);
    if (!statement) {
      statement = this.db.prepare(sql) as Statement;
      statement.setReturnArrays(true);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  /** Lets the statements go, before the file is closed. */
  protected forget(): void {
    this.#prepared.clear();
    this.#inserts.clear();
  }
}

function isFolderThere(path: string): boolean {
  try {
    return Deno.statSync(nodePath().dirname(path)).isDirectory;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}
