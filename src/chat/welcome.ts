/** LOGIN_ACK: what a client is told when it is in, in both kinds, and from where on its inbox follows. */
import { hashToken, newToken } from "../auth/tokens.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import type { LoggedIn } from "../presence/login.ts";
import type { Contact, Group, InboxMessage, Store } from "../store/store.ts";
import { chatMessage } from "../wire/encode.ts";
import type { Ref } from "../wire/messages.ts";
import { Msg } from "../wire/msgid.ts";
import type { Confirmation } from "./confirmation.ts";
import type { Delivery } from "./delivery.ts";

/** The course's client reads 1,024 bytes at a time and parses what it got: a longer line is cut for it. */
const CLASSIC_LINE = 1000;
/** How long a token lives after its last use (ms). */
const TOKEN_LIFE_MS = 7 * 24 * 3600 * 1000;
/** A token is extended when it has lost this much of its life (ms): not a write per login. */
const EXTEND_AFTER_MS = 24 * 3600 * 1000;

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text).length;

/** What a server tells of itself at login. */
export interface Greeting {
  /** Seconds of silence before a PING. */
  heartbeat: number;
  /** Most bytes of a line, most members of a group. */
  limits: { line: number; group: number };
}

/** Tells a client that it is in. */
export class Welcome {
  /** Joins its parts. */
  constructor(
    private readonly parts: { store: Store; time: TrustedTime; delivery: Delivery; confirmation: Confirmation; greeting: Greeting },
  ) {}

  /** Reads the lists, sends LOGIN_ACK, and opens delivery. Throws what the store throws; then nothing was sent. */
  async welcome(login: LoggedIn, ref: Ref | undefined, token: string | undefined): Promise<void> {
    const { session } = login;
    const { store } = this.parts;
    const { friends, groups, blocked } = await store.lists(session.userId);
    session.blocked = new Set(blocked);
    const ack = { msgid: Msg.LOGIN_ACK, ...(ref === undefined ? {} : { ref }), errno: 0, id: session.userId, name: session.name };
    if (session.modern) await this.#modern(login, ack, friends, groups, token);
    else await this.#classic(login, ack, friends, groups);
  }

  async #modern(
    { session, inbox, tokenExpires }: LoggedIn,
    ack: object,
    friends: Contact[],
    groups: Group[],
    token: string | undefined,
  ): Promise<void> {
    const { store, time, delivery, greeting } = this.parts;
    const expires = time.now() + TOKEN_LIFE_MS;
    if (token === undefined) {
      token = newToken();
      session.tokenHash = hashToken(token)!;
      await store.addToken(session.userId, session.tokenHash, expires);
    } else if (session.tokenHash && expires - (tokenExpires ?? 0) > EXTEND_AFTER_MS) await store.extendToken(session.tokenHash, expires);
    if (session.departed) return;
    for (const friend of friends) session.believes(friend);
    session.connection.send({ ...ack, proto: 2, friends, groups, token, ...greeting, inbox });
    delivery.open(session, inbox.confirmed, inbox.last);
  }

  async #classic({ session, inbox }: LoggedIn, ack: object, friends: Contact[], groups: Group[]): Promise<void> {
    const { store, delivery, confirmation } = this.parts;
    const waiting = await store.inbox(session.userId, inbox.confirmed, 32, CLASSIC_LINE);
    if (session.departed) return;
    const lists = {
      ...(friends.length === 0 ? {} : { friends: friends.map(({ id, name, state }) => JSON.stringify({ id, name, state })) }),
      ...(groups.length === 0 ? {} : { groups: groups.map(classicGroup) }),
    };
    const { texts, cursor } = fitting(waiting, inbox.confirmed, CLASSIC_LINE - bytesOf(JSON.stringify({ ...ack, offlinemsg: [], ...lists })));
    session.connection.send({ ...ack, ...(texts.length === 0 ? {} : { offlinemsg: texts }), ...lists });
    confirmation.follow(session, cursor);
    delivery.open(session, cursor, inbox.last);
  }
}

function classicGroup({ id, groupname, groupdesc, users }: Group): string {
  return JSON.stringify({ id, groupname, groupdesc, users: users.map((user) => JSON.stringify(user)) });
}

/** As many messages, from the first, as fit into `room` bytes of JSON, encoded twice. */
function fitting(messages: InboxMessage[], cursor: number, room: number): { texts: string[]; cursor: number } {
  const texts: string[] = [];
  for (const message of messages) {
    const text = JSON.stringify({ ...chatMessage(message), seq: message.seq });
    room -= bytesOf(JSON.stringify(text)) + 1;
    if (room <= 0) break;
    texts.push(text);
    cursor = message.seq;
  }
  return { texts, cursor };
}
