/**
 * What one has read, and what one keeps of conversations: READ, CONVERSATIONS, MUTE. It is state: told when asked for, and pushed to who is here.
 *
 * Marks may overtake one another on their way. Of those that wait for a session only the highest of a conversation is kept, and a client takes no lower one.
 */
import type { NodeMessage } from "../cluster/bus.ts";
import type { Router } from "../cluster/router.ts";
import type { Session } from "../net/session.ts";
import { listCost } from "../ops/costs.ts";
import type { Limits } from "../ops/limits.ts";
import type { ConnectionTable } from "../presence/connection_table.ts";
import type { Conversation, Store, Talk, TalkSettings } from "../store/store.ts";
import { chatMessage } from "../wire/encode.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Request } from "../wire/requests.ts";
import { Msg } from "../wire/msgid.ts";
import type { Changes } from "./changes.ts";
import type { Pushes } from "./pushes.ts";
import { ANSWER_BYTES } from "./terms.ts";

/** Most characters of a conversation's last message in the list. */
const LAST_EXCERPT = 300;
/** What stands in an answer beside its conversations (bytes), at most. */
const TALKS_ENVELOPE = 512;

const encoder = new TextEncoder();

/** A mark on its way to a session. */
export type Mark = NodeMessage & { type: "read" };

/** Knows how far users have read. */
export class Reading {
  /** Of sessions that cannot take them now, by conversation and reader. */
  readonly #waiting = new WeakMap<Session, Map<string, Mark>>();

  /** Joins its parts. */
  constructor(private readonly parts: { store: Store; router: Router; table: ConnectionTable; pushes: Pushes; changes: Changes; limits: Limits }) {}

  /** READ: up to where the user has read now. Throws {@linkcode Refusal}. */
  async read(session: Session, request: Request<typeof Msg.READ>): Promise<{ read: number }> {
    const { store, router } = this.parts;
    const { userId, id } = session;
    const of = conversationOf(request);
    const outcome = await store.read(userId, of, request.messageid);
    if (typeof outcome === "string") throw new Refusal(Errno[outcome]);
    const { read, risen, nodes, peerNodes } = outcome;
    if (risen) {
      const to = [{ nodes, item: userId }, ...(of.toid === undefined ? [] : [{ nodes: peerNodes, item: of.toid }])];
      router.sendTo(to, (there) => ({ type: "read", to: there, by: id, reader: userId, of, messageid: read }));
    }
    return { read };
  }

  /** Somebody has read up to there, here or elsewhere. */
  heard(mark: Mark): void {
    const { table, pushes } = this.parts;
    const { reader, of } = mark;
    const about = `read ${reader} ${of.toid ?? ""} ${of.groupid ?? ""}`;
    for (const userId of mark.to) {
      for (const session of table.of(userId)) {
        if (session.id === mark.by || session.dialect !== 3 || !this.#isNews(session, about, mark)) continue;
        pushes.push(session, about, () => this.#tell(session, about));
      }
    }
  }

  /** CONVERSATIONS: as many as fit into an answer, those with the newest texts first. */
  async conversations({ userId }: Session, request: Request<typeof Msg.CONVERSATIONS>): Promise<{ conversations: object[]; more: boolean }> {
    const { before, beforegroup, limit } = request;
    const after = before !== undefined ? { messageid: before } : beforegroup !== undefined ? { groupid: beforegroup } : undefined;
    const { talks, next, count } = await this.parts.store.talks(userId, limit, after);
    this.parts.limits.charge(userId, listCost(count, talks.reduce((sum, { unread }) => sum + unread, 0)));
    const now = Date.now();
    const conversations: object[] = [];
    let room = ANSWER_BYTES - TALKS_ENVELOPE;
    for (const talk of talks) {
      const shown = shownTalk(talk, now);
      room -= encoder.encode(JSON.stringify(shown)).length + 1;
      if (room < 0) break;
      conversations.push(shown);
    }
    return { conversations, more: next !== undefined || conversations.length < talks.length };
  }

  /** MUTE: nothing of it said, it mutes for ever. Throws {@linkcode Refusal}. */
  async mute(session: Session, request: Request<typeof Msg.MUTE>): Promise<void> {
    const { until, pinned, archived } = request;
    const settings: Partial<TalkSettings> = {};
    if (until !== undefined) settings.muted = until;
    else if (pinned === undefined && archived === undefined) settings.muted = Number.MAX_SAFE_INTEGER;
    if (pinned !== undefined) settings.pinned = pinned;
    if (archived !== undefined) settings.archived = archived;
    const outcome = await this.parts.store.keep(session.userId, conversationOf(request), settings);
    if (outcome !== "OK") throw new Refusal(Errno[outcome]);
    this.parts.changes.made(session, { what: "conversations" });
  }

  /** Whether the mark is above what waits for this session, and so takes its place. */
  #isNews(session: Session, about: string, mark: Mark): boolean {
    let waiting = this.#waiting.get(session);
    if (!waiting) this.#waiting.set(session, waiting = new Map());
    if ((waiting.get(about)?.messageid ?? 0) >= mark.messageid) return false;
    waiting.set(about, mark);
    return true;
  }

  #tell(session: Session, about: string): void {
    const waiting = this.#waiting.get(session)!;
    const { reader, of, messageid } = waiting.get(about)!;
    waiting.delete(about);
    session.connection.send({ msgid: Msg.READ, id: reader, ...placeOf(of), messageid });
  }
}

/** Where a request goes that names one of the two, or both. */
function conversationOf({ toid, groupid }: { toid?: number | undefined; groupid?: number | undefined }): Conversation {
  return groupid === undefined ? { toid: toid! } : { groupid };
}

function placeOf({ toid, groupid }: Conversation): object {
  return groupid === undefined ? { toid } : { groupid };
}

function shownTalk(talk: Talk, now: number): object {
  const { name, last, unread, read, peerread, muted, pinned, archived } = talk;
  return {
    ...placeOf(talk),
    name,
    last: last ? chatMessage({ ...last, msg: beginning(last.msg), files: last.files?.slice(0, 1), reactions: undefined }) : null,
    unread,
    read,
    ...(peerread === undefined ? {} : { peerread }),
    ...(muted > now ? { muted } : {}),
    ...(pinned ? { pinned } : {}),
    ...(archived ? { archived } : {}),
  };
}

/** Its first characters. No character takes more than two units. */
function beginning(text: string): string {
  return text.length <= LAST_EXCERPT ? text : [...text.slice(0, 2 * LAST_EXCERPT)].slice(0, LAST_EXCERPT).join("");
}
