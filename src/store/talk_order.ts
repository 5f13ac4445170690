// In which order a list of conversations stands: the same on both databases.

import type { Conversation, TalksPlace } from "./store.ts";

/** A conversation in the list. */
export interface Listed {
  /** Which. */
  of: Conversation;
  /** The number of its newest text that was not deleted; 0: there is none. */
  newest: number;
}

/** Up to `limit` of them behind the place, and where the next ones are: those with the newest texts first, behind them the groups without any, by number. */
export function pageOf<L extends Listed>(all: L[], limit: number, after: TalksPlace | undefined): { page: L[]; next: TalksPlace | undefined } {
  const listed = all.filter(({ of, newest }) => newest > 0 || of.groupid !== undefined).filter((talk) => !after || isBehind(talk, after));
  listed.sort((a, b) => b.newest - a.newest || (a.of.groupid ?? 0) - (b.of.groupid ?? 0));
  const page = listed.slice(0, limit), last = page.at(-1);
  return { page, next: last && listed.length > limit ? placeOf(last) : undefined };
}

function placeOf({ newest, of }: Listed): TalksPlace {
  return newest > 0 ? { messageid: newest } : { groupid: of.groupid! };
}

function isBehind({ newest, of }: Listed, after: TalksPlace): boolean {
  if ("messageid" in after) return newest < after.messageid;
  return newest === 0 && of.groupid !== undefined && of.groupid > after.groupid;
}
