/**
 * What the browser keeps over a reload. All of it may be missing, or be anything: whoever reads checks. What the browser will not keep, since it has no room or
 * keeps nothing at all, is here as long as the page is.
 */
import type { PendingSend, Snapshot } from "../../client/natter_client.ts";
import { type Conversation, type Key, type Last, newConversation, parseKey, targetOf } from "./model.ts";

/** Who is logged in. Without a token: who was. */
export interface KeptAccount {
  id: number;
  name: string;
  token?: string | undefined;
}

/** A message that the server would not have. */
interface FailedSend extends PendingSend {
  errno: number;
  ts: number;
}

/** What must not be lost of a user: {@linkcode Snapshot}, and what failed. */
export interface Box extends Snapshot {
  failed: FailedSend[];
}

/** What failed, as it is kept. */
export function failedOf(conversations: ReadonlyMap<Key, Conversation>): FailedSend[] {
  return [...conversations].flatMap(([key, { own }]) =>
    own.filter((line) => line.state === "failed").map(({ mid = "", msg, reply, silent, files, ts, errno = 0 }) => ({
      mid,
      to: targetOf(key),
      msg,
      reply,
      silent,
      files: files?.map((file) => file.id),
      ts,
      errno,
    }))
  );
}

const PREFIX = "natter.", LISTS = `${PREFIX}conversations.`;

/** What the browser did not keep, as JSON. */
const refused = new Map<string, string>();

function read(key: string): unknown {
  try {
    return JSON.parse(refused.get(key) ?? localStorage.getItem(PREFIX + key) ?? "null");
  } catch {
    return null;
  }
}

function write(key: string, value: unknown): void {
  refused.delete(key);
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + key);
    else keep(PREFIX + key, JSON.stringify(value));
  } catch {
    // The page works, until it is reloaded.
    if (value !== undefined) refused.set(key, JSON.stringify(value));
  }
}

/** Where there is no room the lists make it, which the server tells again. Throws what the browser throws. */
function keep(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
  } catch (error) {
    const lists = Object.keys(localStorage).filter((other) => other.startsWith(LISTS));
    if (lists.length === 0 || key.startsWith(LISTS)) throw error;
    for (const list of lists) localStorage.removeItem(list);
    localStorage.setItem(key, text);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isNumber = (value: unknown): value is number => typeof value === "number";
const isString = (value: unknown): value is string => typeof value === "string";

/** Another tab has the account: from now on what it keeps is right. */
export function letGo(): void {
  for (const key of refused.keys()) if (/^(account$|box\.|conversations\.|draft\.)/.test(key)) refused.delete(key);
}

export function readAccount(): KeptAccount | undefined {
  const account = read("account");
  if (!isObject(account) || !isNumber(account.id) || !isString(account.name)) return undefined;
  return { id: account.id, name: account.name, token: isString(account.token) ? account.token : undefined };
}

export function writeAccount(account: KeptAccount | undefined): void {
  write("account", account);
}

/** Undefined: nothing is remembered of this user. */
export function readBox(id: number): Box | undefined {
  const box = read(`box.${id}`);
  if (!isObject(box) || !isNumber(box.seq)) return undefined;
  const isSend = (send: unknown): send is PendingSend => isObject(send) && isString(send.mid) && isString(send.msg) && isObject(send.to);
  const isFailed = (send: unknown): send is FailedSend =>
    isSend(send) && "errno" in send && isNumber(send.errno) && "ts" in send && isNumber(send.ts);
  const epoch = isString(box.epoch) ? box.epoch : undefined;
  return { id, seq: box.seq, epoch, pending: listOf(box.pending).filter(isSend), failed: listOf(box.failed).filter(isFailed) };
}

export function writeBox(box: Box): void {
  write(`box.${box.id}`, box);
}

/** The conversations as they were left: what they are called, where they stand, and what was said last, so that there is something to show before the server has told. */
export function readConversations(id: number): Conversation[] {
  return listOf(read(`conversations.${id}`)).flatMap((kept) => {
    if (!isObject(kept) || !isString(kept.key) || !isString(kept.name)) return [];
    const key = parseKey(kept.key);
    if (!key) return [];
    const { last, muted, pinned, archived } = kept;
    const place = { muted: isNumber(muted) ? muted : 0, pinned: pinned === true, archived: archived === true };
    return [{ ...newConversation(key, kept.name), ...place, last: isLast(last) ? last : undefined }];
  });
}

function isLast(last: unknown): last is Last {
  return isObject(last) && isNumber(last.messageid) && isNumber(last.id) && isString(last.name) && isString(last.msg) && isNumber(last.ts);
}

export function writeConversations(id: number, conversations: Iterable<Conversation>): void {
  write(
    `conversations.${id}`,
    Array.from(conversations, ({ key, name, last, muted, pinned, archived }) => ({ key, name, last, muted, pinned, archived })),
  );
}

/** Forgets what was said. (Whom the user blocks, and what they are invited to, was kept here before the server told it.) */
export function forget(id: number): void {
  for (const key of ["account", `invitations.${id}`, `box.${id}`, `conversations.${id}`, `blocked.${id}`]) write(key, undefined);
  const drafts = `draft.${id}.`;
  for (const key of refused.keys()) if (key.startsWith(drafts)) refused.delete(key);
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX + drafts)) localStorage.removeItem(key);
  } catch {
    // The browser keeps nothing.
  }
}

/** What this browser's user likes. */
type Preference = "language" | "theme" | "notify" | "sound";

export function readPreference(name: Preference): string | undefined {
  const value = read(name);
  return isString(value) ? value : undefined;
}

export function writePreference(name: Preference, value: string | undefined): void {
  write(name, value);
}

/** What was written into a conversation and not sent. */
export function readDraft(owner: number, key: string): string {
  const draft = read(`draft.${owner}.${key}`);
  return isString(draft) ? draft : "";
}

export function writeDraft(owner: number, key: string, text: string): void {
  write(`draft.${owner}.${key}`, text === "" ? undefined : text);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
