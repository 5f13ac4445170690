/**
 * Where in conversations nothing is left of what was said: whole stretches of texts that were deleted. A text that was deleted stays so, and new ones have higher numbers; so
 * whoever has looked past a long stretch keeps it in mind, and nobody does so again.
 */

/** So many texts are looked at in one turn, or by one statement. */
export const SILENT_AT_ONCE = 500;
/** How many stretches are kept in mind. */
const MOST_SILENCES = 10_000;

/** All texts with numbers above `from` and up to `upto` were deleted. */
interface Silence {
  from: number;
  upto: number;
}

/** A text, as it is looked at. */
export type Looked = [id: number, deleted: number];

/** What is known of all conversations. */
export class Silences {
  readonly #known = new Map<string, Silence>();

  /**
   * The newest text of a conversation that was not deleted; 0: there is none. `read` gives the newest {@linkcode SILENT_AT_ONCE} texts with numbers above the first
   * and below the second one, newest first.
   */
  async newest(conversation: string, read: (above: number, below: number) => Promise<Looked[]>): Promise<number> {
    const known = this.#known.get(conversation);
    let below = Number.MAX_SAFE_INTEGER, upto = 0, looked = 0;
    for (;;) {
      const above = known && below > known.upto ? known.upto : 0;
      const texts = await read(above, below);
      looked += texts.length;
      upto ||= texts[0]?.[0] ?? above;
      const [found] = texts.find(([, deleted]) => deleted === 0) ?? [];
      if (found === undefined && texts.length === SILENT_AT_ONCE) below = texts.at(-1)![0];
      else if (found === undefined && above > 0) below = known!.from + 1;
      else {
        const from = found ?? 0;
        if (from < upto && (looked >= SILENT_AT_ONCE || known && from <= known.from)) this.#keep(conversation, { from, upto });
        return from;
      }
    }
  }

  #keep(conversation: string, silence: Silence): void {
    if (this.#known.size >= MOST_SILENCES) this.#known.clear();
    this.#known.set(conversation, silence);
  }
}
