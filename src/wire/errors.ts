/** The errno of the protocol, the one text that goes with each, and the exception that carries one to the dispatcher. */

/** Every errno of `docs/protocol.md`. */
export const Errno = {
  OK: 0,
  /** Login: wrong id, name, password or token. Register, create group: the name is taken. */
  INVALID: 1,
  IN_USE: 2,
  NOT_JSON: 10,
  UNKNOWN_MSGID: 11,
  LOGIN_FIRST: 12,
  BAD_FIELD: 13,
  TOO_LONG: 14,
  TOO_MANY: 15,
  NO_USER: 16,
  NO_GROUP: 17,
  NOT_MEMBER: 18,
  UNAVAILABLE: 19,
  FAILED: 20,
  LOGGED_IN: 21,
  NOT_YOURS: 22,
  BLOCKED: 23,
  FULL: 24,
  CLOSED: 25,
  NO_MESSAGE: 26,
  NOT_INVITED: 27,
  NO_DEVICE: 28,
  MODERATORS_ONLY: 29,
} as const;
/** One of them. */
export type Errno = (typeof Errno)[keyof typeof Errno];
/** The name of one. */
export type ErrnoName = keyof typeof Errno;

/** The text of an errno where the handler has nothing better to say. The one of 1 is the course's, which its client prints. */
export const ERRMSG: Readonly<Record<number, string>> = {
  1: "id or password is invalid!",
  2: "this account is using, input another!",
  10: "not a JSON object in UTF-8",
  11: "unknown msgid",
  12: "log in first",
  13: "a field is missing, ill-typed or out of range",
  14: "the line is too long",
  15: "too many requests",
  16: "no such user",
  17: "no such group",
  18: "not a member of that group",
  19: "the server cannot do this now",
  20: "the server failed",
  21: "this connection is already logged in",
  22: "not yours",
  23: "that user does not take messages from you",
  24: "full",
  25: "this account is closed",
  26: "no such message",
  27: "not without an invitation",
  28: "no such device",
  29: "only moderators write here",
};

/** Thrown by a handler: the request is answered with this errno, and the connection goes on. */
export class Refusal extends Error {
  /** By which it is told from other errors. */
  override name = "Refusal";
  /**
   * Made where a request is refused.
   *
   * @param errno what went wrong
   * @param errmsg for a person; without it the errno's own text
   * @param extra what else goes into the answer, such as `retry` (ms)
   */
  constructor(readonly errno: Errno, errmsg: string = ERRMSG[errno] ?? "", readonly extra: Readonly<Record<string, unknown>> = {}) {
    super(errmsg);
  }
}
