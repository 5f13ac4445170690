/** Who is on a connection, from login to departure. What a part of the server knows of a session beyond that lies in that part. */
import { later } from "../async/loop.ts";
import type { Claiming, DeviceId, SessionKey, UserId } from "../store/store.ts";
import type { Connection } from "./connection.ts";

/** What a client speaks: the course's messages, those of 0.1 (`proto` 2), or these. */
export type Dialect = "classic" | 2 | 3;

/** What lets a session in: a token that it came with or was given, or the password of that version. */
export type Proof = Claiming["proof"];

/** A device of a user on a connection. */
export class Session {
  /** When it began (ms since the epoch). */
  readonly since: number = Date.now();
  /** Set by the departure, which happens once. */
  departed: Promise<void> | undefined;
  /** Its LOGIN_ACK stands in the outgoing queue; nothing is told unasked before. */
  welcomed = false;
  /** While its own request ends it: resolves when that one is answered. Whom others find kicked meanwhile is told so after that. */
  ownEnd: Promise<void> | undefined;

  /**
   * Made by the login.
   *
   * @param id unique for ever ({@linkcode newSessionId})
   * @param made its login made the device
   * @param proof what it may be claimed anew by
   */
  constructor(
    readonly id: string,
    readonly userId: UserId,
    readonly name: string,
    readonly device: { readonly id: DeviceId; readonly name: string },
    readonly made: boolean,
    readonly dialect: Dialect,
    readonly connection: Connection,
    public proof: Proof,
  ) {}

  /** As the database names it. */
  get key(): SessionKey {
    return { userId: this.userId, device: this.device.id, session: this.id };
  }

  /** Does what ends this session at its own request. Throws what `work` throws. */
  async endItself<T>(work: () => Promise<T>): Promise<T> {
    const answered = Promise.withResolvers<void>();
    this.ownEnd = answered.promise;
    try {
      return await work();
    } finally {
      // The answer is written before the next turn.
      later(() => {
        if (this.ownEnd === answered.promise) this.ownEnd = undefined;
        answered.resolve();
      });
    }
  }

  /** It can be told what the course's client does not know: PING, PRESENCE, SIGNAL, GOODBYE. */
  get modern(): boolean {
    return this.dialect !== "classic";
  }
}

/** A fresh session id: 128 random bits. */
export function newSessionId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
