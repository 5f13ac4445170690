/** All that is kept of a user: for the operator (`natter export`), and for the user (`GET /export`). */
import type { FileInfo } from "./files.ts";
import type { Account, GroupId, Store, StoredMessage, TalksPlace, UserId } from "./store.ts";

/** A file that the user uploaded. */
export interface ExportedFile extends FileInfo {
  /** When (ms). */
  created: number;
  /** The message that has it, if one does. */
  messageid?: number;
}

/** An invitation that the user made, or that is for the user. */
export interface ExportedInvitation {
  /** Into which group; absent: to the server. */
  groupid?: GroupId;
  /** Who alone is invited; absent: whoever has the code. */
  userid?: UserId;
  /** Who invites; absent: the operator. */
  inviter?: UserId;
  /** How many may still come in by it. */
  uses: number;
  /** Until when (ms). */
  expires: number;
}

/** A message that the user reported, as it was then. */
export interface ExportedReport {
  /** Its number. */
  messageid: number;
  /** Who said it. */
  sender: UserId;
  /** When (ms). */
  ts: number;
  /** What was said. */
  msg: string;
  /** Why it was reported. */
  reason: string;
  /** When that was (ms). */
  at: number;
}

/** What is few. */
export interface Records {
  /** By which others invite the user. The newest last. */
  invitations: ExportedInvitation[];
  /** The newest last. */
  reports: ExportedReport[];
  /** Groups that do not let the user in. */
  bans: GroupId[];
}

/** A part of what was said. */
export interface ExportedPart {
  /** What the user said, or was told in a conversation of two; without what was deleted. */
  messages: StoredMessage[];
  /** What the user put to messages of this part. */
  reactions: { messageid: number; emoji: string }[];
  /** Behind which message it goes on; undefined: nowhere. */
  next: number | undefined;
}

/** So many messages are looked at for a part, whoever's they are; or fewer, of so many bytes. */
export const PART_ROWS = 1000, PART_BYTES = 256 * 1024;
/** Rows of what else there may be many of. */
const EXPORTED_AT_ONCE = 100;

/** An invitation of a row. */
export function invitationOf(
  { groupid, userid, inviter, uses, expires }: {
    groupid: GroupId | null;
    userid: UserId | null;
    inviter: UserId | null;
    uses: number;
    expires: number;
  },
): ExportedInvitation {
  const whom = { ...groupid === null ? {} : { groupid }, ...userid === null ? {} : { userid }, ...inviter === null ? {} : { inviter } };
  return { ...whom, uses, expires };
}

/**
 * Which of the messages that were looked at a part holds, up to which it goes, and where the next one goes on. Of each its number and how long its text is (bytes);
 * null: it is not the user's.
 */
export function partOf(looked: readonly { id: number; bytes: number | null }[]): { own: number[]; upto: number; next: number | undefined } {
  const own: number[] = [];
  let size = 0, upto = 0;
  for (const { id, bytes } of looked) {
    if (size > PART_BYTES) break;
    if (bytes !== null) own.push(id);
    size += bytes ?? 0;
    upto = id;
  }
  return { own, upto, next: looked.length === PART_ROWS || upto !== (looked.at(-1)?.id ?? 0) ? upto : undefined };
}

/** The part of the store that is what is kept of a user; the rules of the store hold for it. */
export interface ExportStore {
  /** What there are few of. */
  records(userId: UserId): Promise<Records>;
  /** Up to `limit` invitations by the user with numbers above `after`, in their order. */
  invitationsBy(userId: UserId, after: number, limit: number): Promise<(ExportedInvitation & { id: number })[]>;
  /** Up to `limit` files of the user's with numbers above `after`, in their order. */
  filesOf(userId: UserId, after: number, limit: number): Promise<ExportedFile[]>;
  /** What there is in up to {@linkcode PART_ROWS} messages behind `after`. */
  exported(userId: UserId, after: number): Promise<ExportedPart>;
}

/**
 * All that is kept of a user, as objects whose `what` says what they are; the last one is `end`. Neither the password's hash nor tokens are among it. `rest` is
 * called between two looks into the database; undefined says that one has found nothing, among messages of others. Throws what the store throws.
 */
export async function* exportOf(
  store: Store,
  { id, name, closed }: Account,
  rest: () => Promise<void> = async () => {},
): AsyncGenerator<object | undefined> {
  yield { what: "user", id, name, closed, ...await store.profile(id), kept: await store.kept(id) + await store.textKept(id) };
  for (const device of await store.devices(id)) yield { what: "device", ...device };
  // The rest of it is secrets between the browser and this server.
  for (const { device, endpoint, text } of await store.pushesOf(id)) yield { what: "push", device, endpoint, text };
  const { friends, blocked, groups } = await store.lists(id);
  for (const friend of friends) yield { what: "friend", id: friend.id, name: friend.name };
  for (const user of blocked) yield { what: "blocked", id: user };
  for (const group of groups) yield { what: "group", ...group };
  const { invitations, reports, bans } = await store.records(id);
  for (const invitation of invitations) yield { what: "invitation", ...invitation };
  for (let after: number | undefined = 0; after !== undefined;) {
    await rest();
    const made: (ExportedInvitation & { id: number })[] = await store.invitationsBy(id, after, EXPORTED_AT_ONCE);
    for (const { id: _, ...invitation } of made) yield { what: "invitation", ...invitation };
    after = made.length === EXPORTED_AT_ONCE ? made.at(-1)!.id : undefined;
  }
  for (const report of reports) yield { what: "report", ...report };
  for (const groupid of bans) yield { what: "ban", groupid };
  yield* conversations(store, id, rest);
  for (let after: number | undefined = 0; after !== undefined;) {
    await rest();
    const files: ExportedFile[] = await store.filesOf(id, after, EXPORTED_AT_ONCE);
    for (const file of files) yield { what: "file", ...file };
    after = files.length === EXPORTED_AT_ONCE ? files.at(-1)!.id : undefined;
  }
  for (let after: number | undefined = 0; after !== undefined;) {
    await rest();
    const { messages, reactions, next }: ExportedPart = await store.exported(id, after);
    for (const message of messages) yield { what: "message", ...message };
    for (const reaction of reactions) yield { what: "reaction", ...reaction };
    if (messages.length + reactions.length === 0) yield undefined;
    after = next;
  }
  yield { what: "end" };
}

async function* conversations(store: Store, id: UserId, rest: () => Promise<void>): AsyncGenerator<object> {
  let after: TalksPlace | undefined;
  do {
    await rest();
    const { talks, next } = await store.talks(id, EXPORTED_AT_ONCE, after);
    for (const { last: _, unread: __, ...talk } of talks) yield { what: "conversation", ...talk };
    after = next;
  } while (after);
}
