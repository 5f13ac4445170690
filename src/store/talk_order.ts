// In which order a list of conversations stands: the same on both databases.

import type { Conversation, TalksPlace } from "./store.ts";

/** How many beside those that are wanted are sorted at once. */
const SORTED_BESIDE = 1000;

/** A conversation in the list. */
export interface Listed {
  /** Which. */
  of: Conversation;
  /** The number of its newest text that was not deleted; 0: there is none. */
  newest: number;
}

/** Up to `limit` of them behind the place, and where the next ones are: those with the newest texts first, behind them the groups without any, by number. */
export function pageOf<L extends Listed>(all: L[], limit: number, after: TalksPlace | undefined): { page: L[]; next: TalksPlace | undefined } {
  // All of very many are not sorted for a few: those before the last of the first ones are kept, and the rest is cut off now and then.
  let listed: L[] = [], last: L | undefined;
  const cut = () => {
    listed = listed.sort(inOrder).slice(0, limit + 1);
    if (listed.length > limit) last = listed.at(-1);
  };
  for (const talk of all) {
    if (talk.newest === 0 && talk.of.groupid === undefined || after && !isBehind(talk, after) || last && inOrder(talk, last) > 0) continue;
    if (listed.push(talk) === limit + SORTED_BESIDE) cut();
  }
  cut();
  const page = listed.slice(0, limit), end = page.at(-1);
  return { page, next: end && listed.length > limit ? placeOf(end) : undefined };
}

function inOrder(a: Listed, b: Listed): number {
  return b.newest - a.newest || (a.of.groupid ?? 0) - (b.of.groupid ?? 0);
}

function placeOf({ newest, of }: Listed): TalksPlace {
  return newest > 0 ? { messageid: newest } : { groupid: of.groupid! };
}

function isBehind({ newest, of }: Listed, after: TalksPlace): boolean {
  if ("messageid" in after) return newest < after.messageid;
  return newest === 0 && of.groupid !== undefined && of.groupid > after.groupid;
}
