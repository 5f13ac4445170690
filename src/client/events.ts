/** What a client tells those who listen to it. */
import type { Deed, Edited, IncomingMessage, Reacted, ReadMark, Signal } from "./conversations.ts";
import type { GroupEvent, Presence } from "./people.ts";
import type { Anew, Changed, Goodbye, LoginAck } from "./protocol.ts";
import type { Sent } from "./outbox.ts";
import type { ConnectionState } from "./session_keeper.ts";

/** What a client reports. */
export interface ClientEvents {
  /**
   * A message, each once, in the order of `seq`. It is confirmed when every listener has returned, and its promise, if it returned one, has resolved.
   * Of a user with several devices, one's own are among them, this client's too ({@linkcode NatterClient.sentHere}).
   */
  message: IncomingMessage;
  /** A message's text is another. This and the next two come in their place among the messages, and are confirmed like them. */
  edit: Edited;
  /** A message's text is gone. */
  delete: Deed;
  /** Somebody put something to a message, or took it away. */
  react: Reacted;
  /** Something happened in a group; in its place among the messages. */
  group: GroupEvent & { seq: number };
  /** An entry of the log of a kind that this client does not know, in its place; there is nothing to be done, and it is confirmed like the others. */
  unknown: { msgid: number; seq: number };
  /** Somebody has read up to there. */
  read: ReadMark;
  /** A friend came or went. */
  presence: Presence;
  /** Something that is worth nothing later. */
  signal: Signal;
  /** The server is about to end the connection. `state` says what follows. */
  goodbye: Goodbye;
  /** Whether the server can be reached; see {@linkcode ConnectionState}. */
  state: ConnectionState;
  /** Each login, also those by which the client comes back: the lists are fresh. */
  login: LoginAck;
  /** Right after `login`, before any message: what was remembered has gaps. Messages go on from `inbox.confirmed`. */
  anew: Anew;
  /** Something of one's own is another: ask again. */
  changed: Changed;
  /** A message of one's own moved on: `sending`, then `stored` or `failed`. */
  sent: Sent;
}
