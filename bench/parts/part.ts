/** A part of the benchmark: measures some rows. */
import type { Scale } from "../measure.ts";
import type { Result } from "../rows.ts";
import type { Natter, NatterOptions } from "../support.ts";

/** What a part is given. */
export interface Context {
  scale: Scale;
  /** Starts a server. */
  natter(options?: NatterOptions): Promise<Natter>;
}

export type Part = (context: Context) => Promise<Result[]>;
