/** Whom a person means: `#12` is a number; `12` may be a name, and is taken for a number if it is none; everything else is a name. */
import { NatterError } from "./errors.ts";
import type { Peer } from "./protocol.ts";

/** The errno of what is not found: a login, a user, a group. */
const NOT_FOUND = [1, 16, 17];

/** The number that a text may stand for, and whether it can be nothing else; undefined: it is a name. */
export function numberTyped(text: string): { id: number; certain: boolean } | undefined {
  const [, hash, digits] = /^(#?)([1-9]\d{0,15})$/.exec(text) ?? [];
  const id = Number(digits);
  return Number.isSafeInteger(id) ? { id, certain: hash !== "" } : undefined;
}

/** Asks the server for a user or a group as typed. Rejects as `ask` does. */
export async function byNameOrNumber<T>(text: string, ask: (who: Peer) => Promise<T>): Promise<T> {
  const typed = numberTyped(text);
  if (typed?.certain) return await ask({ id: typed.id });
  try {
    return await ask({ name: text });
  } catch (error) {
    if (typed && error instanceof NatterError && NOT_FOUND.includes(error.errno)) return await ask({ id: typed.id });
    throw error;
  }
}
