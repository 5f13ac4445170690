/**
 * LOGIN_ACK: what a client is told when it is in, in each dialect, and from where on the log follows.
 *
 * Everything in it is read when the session stands in the table: what is committed later comes as a push, and nothing falls between the two.
 */
import type { Session } from "../net/session.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import type { LoggedIn } from "../presence/login.ts";
import { hashToken } from "../auth/tokens.ts";
import type { LogEntry, Store, Welcome as Read } from "../store/store.ts";
import { oldChatMessage } from "../wire/encode.ts";
import type { Ref } from "../wire/requests.ts";
import { Msg } from "../wire/msgid.ts";
import type { Confirmation } from "./confirmation.ts";
import type { Delivery } from "./delivery.ts";
import type { Lists } from "./lists.ts";
import type { PresenceNews } from "./presence_news.ts";
import type { Pushes } from "./pushes.ts";
import type { Terms } from "./terms.ts";
import type { Ties } from "./ties.ts";

/** The course's client reads 1,024 bytes at a time and parses what it got: a longer line is cut for it. */
const CLASSIC_LINE = 1000;
/** A token is extended when it has lost this much of its life (ms): not a write per login. */
const EXTEND_AFTER_MS = 24 * 3600 * 1000;

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text).length;

/** Tells a client that it is in. */
export class Welcome {
  /** Joins its parts. */
  constructor(
    private readonly parts: {
      store: Store;
      /** By which tokens expire. */
      time: TrustedTime;
      delivery: Delivery;
      confirmation: Confirmation;
      lists: Lists;
      news: PresenceNews;
      pushes: Pushes;
      ties: Ties;
      terms: Terms;
      /** How long a token lives after its last use (ms). */
      tokenLife: number;
    },
  ) {}

  /** Reads what is to be told, sends LOGIN_ACK, and opens delivery. Throws what the store throws; then nothing was sent. */
  async welcome(login: LoggedIn, ref: Ref | undefined): Promise<void> {
    const { session } = login;
    const { store, ties, news } = this.parts;
    const [read, epoch] = await Promise.all([
      store.welcome(session.userId, session.device.id),
      session.dialect === 3 ? store.epoch() : undefined,
      this.#extend(login),
    ]);
    ties.set(session, read);
    news.listed(session, read.friends);
    const ack = { msgid: Msg.LOGIN_ACK, ...(ref === undefined ? {} : { ref }), errno: 0, id: session.userId, name: session.name };
    if (session.dialect === "classic") await this.#classic(session, ack, read);
    else await this.#modern(login, ack, read, epoch);
  }

  async #modern(
    { session, token }: LoggedIn,
    ack: object,
    { friends, groups, blocked, invited, inbox }: Read,
    epoch: string | undefined,
  ): Promise<void> {
    const { lists, terms } = this.parts;
    const { heartbeat, limits, oldLimits, features, version } = terms;
    const shown = await lists.groups(session, groups, friends);
    const fields = epoch === undefined ? { proto: 2, friends, groups: shown, token: token!.text, heartbeat, limits: oldLimits, inbox } : {
      proto: 3,
      device: session.device,
      friends,
      groups: shown,
      blocked,
      invited: lists.invited(invited, friends, shown, blocked),
      token: token!.text,
      heartbeat,
      limits,
      inbox: { epoch, ...inbox },
      features,
      ...(terms.url === "" ? {} : { url: terms.url }),
      version,
    };
    this.#open(session, { ...ack, ...fields }, inbox, inbox.confirmed);
  }

  async #classic(session: Session, ack: object, { friends, groups, inbox }: Read): Promise<void> {
    const { store, lists } = this.parts;
    const shown = await lists.groups(session, groups, friends);
    const waiting = inbox.last > inbox.confirmed ? await store.log(session.userId, inbox.confirmed, 32, CLASSIC_LINE) : [];
    const said = {
      ...(friends.length === 0 ? {} : { friends: lists.classicFriends(friends) }),
      ...(groups.length === 0 ? {} : { groups: lists.classicGroups(shown) }),
    };
    const room = CLASSIC_LINE - bytesOf(JSON.stringify({ ...ack, offlinemsg: [], ...said }));
    const { texts, cursor } = fitting(waiting, session, inbox.confirmed, room, this.parts.terms.url);
    this.#open(session, { ...ack, ...(texts.length === 0 ? {} : { offlinemsg: texts }), ...said }, inbox, cursor);
  }

  #open(session: Session, ack: Readonly<Record<string, unknown>>, inbox: Read["inbox"], cursor: number): void {
    if (session.departed) return;
    const { delivery, confirmation, pushes } = this.parts;
    session.connection.send(ack);
    session.welcomed = true;
    confirmation.follow(session, inbox.confirmed, cursor);
    delivery.open(session, cursor, inbox.last);
    pushes.welcomed(session);
  }

  /** A token that it came with lives longer now. */
  async #extend({ session, token }: LoggedIn): Promise<void> {
    const { store, time, tokenLife } = this.parts;
    const expires = time.now() + tokenLife;
    if (token && session.dialect !== "classic" && expires - token.expires > EXTEND_AFTER_MS) await store.extendToken(hashToken(token.text)!, expires);
  }
}

/** As many messages, from the first, as fit into `room` bytes of JSON, encoded twice; those before one's own. */
function fitting(entries: LogEntry[], { userId }: Session, cursor: number, room: number, url: string): { texts: string[]; cursor: number } {
  const texts: string[] = [];
  for (const entry of entries) {
    // Not for a classic client; delivery passes over it.
    if (entry.what !== undefined || entry.deleted || entry.id === userId && entry.toid !== userId) break;
    const text = JSON.stringify({ ...oldChatMessage(entry, url), seq: entry.seq });
    room -= bytesOf(JSON.stringify(text)) + 1;
    if (room <= 0) break;
    texts.push(text);
    cursor = entry.seq;
  }
  return { texts, cursor };
}
