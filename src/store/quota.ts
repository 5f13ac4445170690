/**
 * What users' texts take, by user; what their files take stands in `kept` (`files.ts`), and `--user-quota` bounds both together.
 *
 * 1. `texts` is near the truth, not the truth: what is sent is added every few seconds, and all is counted anew once a day (`src/chat/quota.ts`).
 * 2. Every row of `message` counts, by who said or did it: for `ROW_KEPT`, and for its text.
 */
import type { UserId } from "./store.ts";

/** What a message takes beside its text (bytes): rows, entries of indexes, places in logs. */
export const ROW_KEPT = 200;

/** A user, and bytes. */
export type TextKept = [userId: UserId, bytes: number];

/** The part of the store that is what texts take; the rules of the store hold for it. */
export interface QuotaStore {
  /** What the user's texts take, as far as it is known (bytes). */
  textKept(userId: UserId): Promise<number>;
  /** Adds to what these users' texts take. */
  addTextKept(more: readonly TextKept[]): Promise<void>;
  /** Says what these users' texts take; 0: nothing. */
  setTextKept(kept: readonly TextKept[]): Promise<void>;
  /** Up to `limit` users behind `after` whose texts take something, in their order. */
  textKeepers(after: UserId, limit: number): Promise<UserId[]>;
  /** What up to `limit` messages behind `after` take, by user, and where to go on; undefined: at the end. */
  countTexts(after: number, limit: number): Promise<{ kept: TextKept[]; next: number | undefined }>;
}
