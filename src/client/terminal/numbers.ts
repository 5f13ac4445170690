/** Numbers of messages, as they are typed. */
import { numberTyped } from "../by_name.ts";
import { CommandError } from "./commands.ts";

/** Parts `#12 TEXT`; either may be missing. Throws {@linkcode CommandError} for a number that no message has: it is not taken for a text. */
export function messageAndText(typed: string): { messageid: number | undefined; text: string } {
  const [, number, text] = /^(#\d+)(?:\s+(.*))?$/s.exec(typed) ?? [];
  if (number === undefined) return { messageid: undefined, text: typed.trim() };
  const messageid = numberTyped(number)?.id;
  if (messageid === undefined) throw new CommandError(`${number} is the number of no message`);
  return { messageid, text: (text ?? "").trim() };
}
