/** A part of the benchmark: measures some rows. */
import type { Scale } from "../measure.ts";
import type { Result } from "../rows.ts";
import type { Natter } from "../support.ts";

/** What a part is given. */
export interface Context {
  scale: Scale;
  /** Starts a server, on a SQLite file of its own or on this database. */
  natter(database?: string): Promise<Natter>;
}

export type Part = (context: Context) => Promise<Result[]>;
