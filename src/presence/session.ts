import type { Connection } from "../net/connection.ts";
import type { State, UserId } from "../store/store.ts";

/** A user on a connection, from login to departure. */
export class Session {
  /** When it began (ms since the epoch). */
  readonly since: number = Date.now();
  /** Set by the departure, which happens once. */
  departed: Promise<void> | undefined;
  /** Whom this user blocks, as of now. */
  blocked: Set<UserId> = new Set();
  /** Friends whom its client believes online. Modern only. */
  readonly friendsOnline: Set<UserId> = new Set();
  /** CHAT and GROUP_CHAT that are not answered yet, and the characters of text in those to be stored; chat/appender.ts counts them. */
  unanswered = 0;
  /** Characters of text among them. */
  unansweredSize = 0;

  // Delivery: see chat/delivery.ts, which alone writes these.
  /** The last `seq` that went into the outgoing queue; undefined until LOGIN_ACK has gone there. */
  cursor: number | undefined;
  /** The highest `seq` known to stand in the inbox. */
  known = 0;
  /** The inbox is being read. */
  reading = false;
  /** Confirmed by the client. */
  confirmed = 0;
  /** Confirmed in the database, as far as known. */
  confirmedStored = 0;

  // Confirmation of a classic client: see chat/confirmation.ts, which sets these.
  /** A message with this `seq` went into the outgoing queue. */
  sent: ((seq: number) => void) | undefined;
  /** The client did something of its own: a line, LOGOUT, a clean close. */
  acted: (() => void) | undefined;

  /** Of the token it was given, or came with. */
  tokenHash: Uint8Array | undefined;

  /**
   * `id` is unique for ever ({@linkcode newSessionId}).
   *
   * @param id unique for ever
   * @param modern the client asked for `proto` 2
   */
  constructor(
    readonly id: string,
    readonly userId: UserId,
    readonly name: string,
    readonly connection: Connection,
    readonly modern: boolean,
  ) {}

  /** Its client is told this of a friend. @returns whether that is news to it */
  believes({ id, state }: { id: UserId; state: State }): boolean {
    if (!this.modern || this.friendsOnline.has(id) === (state === "online")) return false;
    if (state === "online") this.friendsOnline.add(id);
    else this.friendsOnline.delete(id);
    return true;
  }
}

/** A fresh session id: 128 random bits. */
export function newSessionId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
