/**
 * What is done to messages at a terminal. A message is named by its number, as `/last` shows it (`#12`); without one it is the last one that this can be done to:
 * one's own to change or delete, another's to answer or to react to.
 */
import type { ChatMessage, NatterClient, Target } from "../natter_client.ts";
import { CommandError, type DeedName } from "./commands.ts";
import { messageAndText } from "./numbers.ts";
import { patiently } from "../patiently.ts";

/** How far back the last one is looked for. */
const LOOKED_BACK = 100;

/** What is to be done: to which message, and what was typed behind its number. */
export interface Deed {
  /** The message's number. */
  messageid: number;
  /** The new text, the answer or the emoji. */
  text: string;
}

/** What a line behind `/edit`, `/delete`, `/react` or `/reply` says. `stored`: what one has written oneself is stored. Throws {@linkcode CommandError}, and what `stored` does. */
export async function deedOf(
  client: NatterClient,
  name: DeedName,
  of: Target | undefined,
  typed: string,
  stored: () => Promise<void>,
): Promise<Deed> {
  if (!of) throw new CommandError("in which conversation? /to NAME or /group NAME says it");
  const { messageid, text } = messageAndText(typed);
  if ((text === "") !== (name === "delete")) {
    throw new CommandError(name === "delete" ? "wanted: /delete [#N]" : `wanted: /${name} [#N] ${WANTED[name]}`);
  }
  if (messageid !== undefined) return { messageid, text };
  const own = name === "edit" || name === "delete";
  // Else the one before would be taken for the last one.
  if (own) await stored();
  return { messageid: (await lastOf(client, of, own)).messageid, text };
}

const WANTED = { edit: "TEXT", react: "EMOJI", reply: "TEXT" };

async function lastOf(client: NatterClient, of: Target, own: boolean): Promise<ChatMessage> {
  const { messages } = await patiently(() => client.history(of, { limit: LOOKED_BACK }));
  const found = messages.findLast(({ id, deleted }) => !deleted && (id === client.session?.id) === own);
  if (!found) {
    throw new CommandError(`${own ? "you have not" : "nobody else has"} written anything here lately; #N names a message, /last shows the numbers`);
  }
  return found;
}

/** Puts an emoji to a message, or takes it away again if it is there. @returns whether it is there now */
export async function toggle(client: NatterClient, of: Target, { messageid, text }: Deed): Promise<boolean> {
  const { messages } = await patiently(() => client.history(of, { around: messageid, limit: 1 }));
  const { reactions = [] } = messages.find((message) => message.messageid === messageid) ?? {};
  const off = reactions.some(({ emoji, mine }) => emoji === text && mine);
  await patiently(() => client.react(messageid, text, { off }));
  return !off;
}
