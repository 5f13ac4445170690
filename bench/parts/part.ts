/** A part of the benchmark: measures some rows. */
import type { Scale } from "../measure.ts";
import type { Result } from "../rows.ts";
import type { Natter, NatterOptions } from "../support.ts";
import type { Natter01 } from "../v0_1.ts";

/** What a part is given. */
export interface Context {
  scale: Scale;
  /** Starts a server. */
  natter(options?: NatterOptions): Promise<Natter>;
  /** Starts a server of 0.1; undefined: this clone does not go back to it. */
  natter01(): Promise<Natter01 | undefined>;
}

export type Part = (context: Context) => Promise<Result[]>;
