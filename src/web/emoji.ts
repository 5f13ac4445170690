/** All emoji, by groups, with what they are called: brought when they are first wanted, in the present language (`emoji_en.json`, `emoji_zh.json`). */
import { type Language, language } from "./i18n.ts";

/** An emoji, and its names, in lower case. */
type Emoji = readonly [emoji: string, names: string];
/** Those of a group, which has its number in the texts. */
export interface EmojiGroup {
  group: number;
  emoji: readonly Emoji[];
}

const known = new Map<Language, Promise<EmojiGroup[]>>();

/** Rejects if they cannot be had now. */
export function loadEmoji(): Promise<EmojiGroup[]> {
  const wanted = language;
  let loading = known.get(wanted);
  if (!loading) {
    known.set(wanted, loading = bring(wanted));
    loading.catch(() => known.delete(wanted));
  }
  return loading;
}

async function bring(wanted: Language): Promise<EmojiGroup[]> {
  const response = await fetch(`emoji_${wanted}.json`);
  if (!response.ok) throw new Error(`emoji: ${response.status}`);
  return await response.json();
}

/** Those that have all words in their names, or are it. */
export function findEmoji(groups: readonly EmojiGroup[], text: string): EmojiGroup[] {
  const words = text.trim().toLowerCase().split(/\s+/);
  const fits = ([emoji, names]: Emoji) => emoji === text.trim() || words.every((word) => names.includes(word));
  return groups.map(({ group, emoji }) => ({ group, emoji: emoji.filter(fits) })).filter(({ emoji }) => emoji.length > 0);
}
