/**
 * From a line to its handler, and back to an answer. The commands are one table of data: msgid, who may send it, when it is answered, handler;
 * the schemas stand in `wire/requests.ts`.
 *
 * 1. One connection's messages are handled in the order they came: the next one waits for the promise of the one before, if there is one. Meanwhile the
 *    connection is `busy`: what it sends may stay unread.
 * 2. Where several errors apply, the first of 10, 11, 12 (21), 13, 15 is told; what only the handler can find, such as LOGOUT's 22, comes behind.
 * 3. Whatever a handler throws becomes an answer. The server never dies of a line.
 * 4. Every line is paid for: a request by its cost (`ops/costs.ts`), from the bucket of its user, or of its connection before a login; what is refused before
 *    it is looked at, and what a client must say, where there is nothing new in it, from a bucket of the connection's. An answer that is long is paid for when
 *    it has been given. Who stays over the limit is slowed, then cut (`net/patience.ts`).
 */
import type { Accounts } from "./auth/accounts.ts";
import type { Contacts } from "./chat/contacts.ts";
import type { Deeds } from "./chat/deeds.ts";
import type { Devices } from "./chat/devices.ts";
import type { Moderation } from "./chat/moderation.ts";
import type { Groups } from "./chat/groups.ts";
import type { History } from "./chat/history.ts";
import type { Hooks } from "./chat/hooks.ts";
import type { Invitations } from "./chat/invitations.ts";
import type { Finder } from "./chat/search.ts";
import type { Answer, Sending } from "./chat/sending.ts";
import type { Confirmation } from "./chat/confirmation.ts";
import type { Reading } from "./chat/reading.ts";
import type { PushSettings } from "./chat/push_settings.ts";
import type { Profiles } from "./chat/profiles.ts";
import type { Reports } from "./chat/reports.ts";
import type { Signals } from "./chat/signals.ts";
import type { Connection, Outgoing } from "./net/connection.ts";
import type { Session } from "./net/session.ts";
import type { Patience } from "./net/patience.ts";
import { answerCost, conversationsCost, SEARCH_COST, textCost } from "./ops/costs.ts";
import type { Limits } from "./ops/limits.ts";
import { log } from "./ops/log.ts";
import { StoreUnavailable } from "./store/store.ts";
import { ERRMSG, Errno, Refusal } from "./wire/errors.ts";
import { check, isRef, Msg, type Ref, type Request, type RequestId } from "./wire/requests.ts";

/** Malformed lines in a row that close a connection. */
const MAX_BAD_LINES = 10;
/** What an empty line is of another one that is no request. */
const EMPTY_COST = 0.05;
/** When to ask again after errno 19 (ms). */
const RETRY_AFTER_MS = 1000;

/** What the handler of a request gives for its answer; nothing: only errno 0. */
type Fields = Outgoing | void;

interface Command<M extends RequestId> {
  /** Who may send it: those logged in, those not logged in, or all. */
  from: "session" | "no session" | "all";
  /** When success is answered: always, if there is a `ref`, or never (the handler does it, or there is nothing to say). */
  answer: "always" | "ref" | "never";
  /** The msgid of its answer. */
  as?: number;
  /** What it costs (`ops/costs.ts`), if that is not 1. */
  cost?: (request: Request<M>) => number;
  /** It is never refused for the limit of requests: what a client must say, and what it does at its end. Whether this one counts among the other lines. */
  free?: (context: Context, request: Request<M>) => boolean;
  /** Its answers keep the order of the requests, also across commits: this handler gives them itself, when their turn has come. */
  ordered?: boolean;
  handle: (context: Context, request: Request<M>) => Fields | Promise<Fields>;
}

/** What a handler knows besides the request. One is made for every line, so it is made of plain fields. */
class Context {
  /** `session`: for commands from "session" only. */
  constructor(
    readonly connection: Connection,
    readonly session: Session,
    readonly command: AnyCommand,
    readonly ref: Ref | undefined,
    readonly line: string,
    readonly limits: Limits,
  ) {}

  /** No string in the line needs a backslash. */
  get plain(): boolean {
    return !this.line.includes("\\");
  }

  /** For ordered commands: to be called once, when their turn has come. */
  get answered(): Answer {
    return (result) => {
      if (result instanceof Error) this.refuse(asRefusal(result, this.command.msgid));
      else if (this.ref !== undefined) this.#reply(0, { ...result });
    };
  }

  succeed(fields: Fields): void {
    const { ordered, answer } = this.command;
    if (ordered || answer === "never" || (answer === "ref" && this.ref === undefined)) return;
    this.#reply(0, fields ?? {});
  }

  refuse({ errno, message, extra }: Pick<Refusal, "errno" | "message" | "extra">): void {
    this.#reply(errno, { errmsg: message, ...extra });
  }

  #reply(errno: Errno, fields: Outgoing): void {
    const { ref, command } = this;
    const msgid = command.as ?? Msg.REPLY;
    const line = JSON.stringify({
      msgid,
      ...(ref === undefined ? {} : { ref }),
      errno,
      ...(msgid === Msg.REPLY ? { re: command.msgid } : {}),
      ...fields,
    }) + "\n";
    this.connection.sendLine(line);
    this.limits.charge(payerOf(this.connection, this.session), answerCost(line.length));
  }
}

/** What the commands are made of. */
export interface Handlers {
  /** REGISTER, CHANGE_PASSWORD and DELETE_ACCOUNT. */
  accounts: Accounts;
  /** CHAT and GROUP_CHAT. */
  sending: Sending;
  /** Friends, blocks and lists. */
  contacts: Contacts;
  /** Coming into groups, going out of them, and who is in one. */
  groups: Groups;
  /** What creator and moderators do with groups. */
  moderation: Moderation;
  /** HOOK. */
  hooks: Hooks;
  /** HISTORY. */
  history: History;
  /** EDIT, DELETE, REACT. */
  deeds: Deeds;
  /** READ, CONVERSATIONS, MUTE. */
  reading: Reading;
  /** INVITE. */
  invitations: Invitations;
  /** SEARCH. */
  finder: Finder;
  /** What users say of themselves. */
  profiles: Profiles;
  /** What they report to the operator. */
  reports: Reports;
  /** PUSH. */
  pushSettings: PushSettings;
  /** SIGNAL. */
  signals: Signals;
  /** RECEIVED. */
  confirmation: Confirmation;
  /** How many requests are too many. */
  limits: Limits;
  /** A user's sessions and devices. */
  devices: Devices;
  /** What becomes of those who send too many. */
  patience: Patience;
  /** Malformed input that ends the connection. */
  badInput: (connection: Connection) => void;
}

/** The commands. */
function commandsOf(h: Handlers): { [M in RequestId]: Command<M> } {
  return {
    [Msg.LOGIN]: { from: "no session", answer: "never", as: Msg.LOGIN_ACK, handle: (c, r) => h.devices.login(c.connection, r, c.ref) },
    [Msg.LOGOUT]: {
      from: "session",
      answer: "ref",
      free: () => true,
      handle: (c, r) => {
        if (r.id !== undefined && r.id !== c.session.userId) throw new Refusal(Errno.NOT_YOURS);
        return h.devices.logout(c.session);
      },
    },
    [Msg.REGISTER]: { from: "all", answer: "always", as: Msg.REGISTER_ACK, handle: (c, r) => h.accounts.register(c.connection, r) },
    [Msg.CHAT]: {
      from: "session",
      answer: "ref",
      ordered: true,
      cost: (r) => h.sending.cost(r),
      handle: (c, r) => h.sending.chat(c.session, r, c.answered),
    },
    [Msg.ADD_FRIEND]: { from: "session", answer: "ref", handle: (c, r) => h.contacts.addFriend(c.session, r) },
    [Msg.CREATE_GROUP]: { from: "session", answer: "ref", handle: (c, r) => h.groups.create(c.session, r) },
    [Msg.JOIN_GROUP]: { from: "session", answer: "ref", handle: (c, r) => h.groups.join(c.session, r) },
    [Msg.GROUP_CHAT]: {
      from: "session",
      answer: "ref",
      ordered: true,
      cost: (r) => h.sending.cost(r),
      handle: (c, r) => h.sending.groupChat(c.session, r, c.answered),
    },
    [Msg.RECEIVED]: {
      from: "session",
      answer: "never",
      free: (c, r) => !h.confirmation.isNews(c.session, r.seq),
      handle: (c, r) => h.confirmation.received(c.session, r.seq),
    },
    [Msg.PING]: { from: "all", answer: "never", handle: (c) => c.connection.send(withRef({ msgid: Msg.PONG }, c.ref)) },
    [Msg.PONG]: { from: "all", answer: "never", free: () => true, handle: () => {} },
    [Msg.HISTORY]: { from: "session", answer: "always", handle: async (c, r) => ({ ...await h.history.history(c.session, r) }) },
    [Msg.CONTACTS]: { from: "session", answer: "always", handle: (c) => h.contacts.contacts(c.session) },
    [Msg.REMOVE_FRIEND]: { from: "session", answer: "ref", handle: (c, r) => h.contacts.removeFriend(c.session, r) },
    [Msg.LEAVE_GROUP]: { from: "session", answer: "ref", handle: (c, r) => h.groups.leave(c.session, r) },
    [Msg.SIGNAL]: { from: "session", answer: "never", handle: (c, r) => h.signals.signal(c.session, r, c.plain) },
    [Msg.CHANGE_PASSWORD]: { from: "session", answer: "ref", handle: (c, r) => h.accounts.changePassword(c.session, r) },
    [Msg.BLOCK]: { from: "session", answer: "ref", handle: (c, r) => h.contacts.block(c.session, r) },
    [Msg.UNBLOCK]: { from: "session", answer: "ref", handle: (c, r) => h.contacts.unblock(c.session, r) },
    [Msg.EDIT]: { from: "session", answer: "ref", cost: (r) => textCost(r.msg.length), handle: (c, r) => h.deeds.edit(c.session, r) },
    [Msg.DELETE]: { from: "session", answer: "ref", handle: (c, r) => h.deeds.delete(c.session, r) },
    [Msg.REACT]: { from: "session", answer: "ref", handle: (c, r) => h.deeds.react(c.session, r) },
    [Msg.READ]: { from: "session", answer: "ref", handle: (c, r) => h.reading.read(c.session, r) },
    [Msg.CONVERSATIONS]: {
      from: "session",
      answer: "always",
      cost: (r) => conversationsCost(r.limit),
      handle: (c, r) => h.reading.conversations(c.session, r),
    },
    [Msg.MEMBERS]: { from: "session", answer: "always", handle: (c, r) => h.groups.members(c.session, r) },
    [Msg.DEVICES]: { from: "session", answer: "always", handle: (c) => h.devices.list(c.session) },
    [Msg.REMOVE_DEVICE]: { from: "session", answer: "ref", handle: (c, r) => h.devices.remove(c.session, r) },
    [Msg.UPDATE_GROUP]: { from: "session", answer: "ref", handle: (c, r) => h.moderation.update(c.session, r) },
    [Msg.SET_ROLE]: { from: "session", answer: "ref", handle: (c, r) => h.moderation.setRole(c.session, r) },
    [Msg.KICK]: { from: "session", answer: "ref", handle: (c, r) => h.moderation.kick(c.session, r) },
    [Msg.UNBAN]: { from: "session", answer: "ref", handle: (c, r) => h.moderation.unban(c.session, r) },
    [Msg.INVITE]: { from: "session", answer: "always", handle: (c, r) => h.invitations.invite(c.session, r) },
    [Msg.REVOKE]: { from: "session", answer: "ref", handle: (c, r) => h.invitations.revoke(c.session, r) },
    [Msg.PROFILE]: { from: "session", answer: "always", handle: async (c, r) => ({ ...await h.profiles.profile(c.session, r) }) },
    [Msg.USERS]: { from: "session", answer: "always", handle: (_, r) => h.contacts.users(r) },
    [Msg.SEARCH]: { from: "session", answer: "always", cost: () => SEARCH_COST, handle: (c, r) => h.finder.search(c.session, r) },
    [Msg.DELETE_ACCOUNT]: { from: "session", answer: "ref", handle: (c, r) => h.accounts.deleteAccount(c.session, r) },
    [Msg.MUTE]: { from: "session", answer: "ref", handle: (c, r) => h.reading.mute(c.session, r) },
    [Msg.REPORT]: { from: "session", answer: "ref", handle: (c, r) => h.reports.report(c.session, r) },
    [Msg.HOOK]: { from: "session", answer: "always", handle: (c, r) => h.hooks.hook(c.session, r) },
    [Msg.PUSH]: { from: "session", answer: "always", handle: async (c, r) => ({ ...await h.pushSettings.push(c.session, r) }) },
  };
}

type AnyCommand = Command<RequestId> & { msgid: RequestId };

/** Hands lines to their handlers, and answers them. */
export class Dispatcher {
  readonly #commands: Map<unknown, AnyCommand>;
  readonly #handlers: Handlers;

  /** Makes the table of commands. */
  constructor(handlers: Handlers) {
    this.#handlers = handlers;
    const rows = Object.entries(commandsOf(handlers)).map(([msgid, command]) => [Number(msgid), { ...command, msgid: Number(msgid) }]);
    this.#commands = new Map(rows as [unknown, AnyCommand][]);
  }

  /** Handles one line. Never throws. */
  dispatch(connection: Connection, line: string): void | Promise<void> {
    const done = this.#dispatch(connection, line);
    if (!done) return;
    connection.busy = true;
    return done.finally(() => connection.idle());
  }

  #dispatch(connection: Connection, line: string): void | Promise<void> {
    if (line.trim() === "") return this.#pay(connection, EMPTY_COST);
    const fields = parse(line);
    if (!fields) return this.#bad(connection, new Refusal(Errno.NOT_JSON));
    const ref = isRef(fields.ref) ? fields.ref : undefined;
    const command = this.#commands.get(fields.msgid);
    if (!command) return this.#bad(connection, new Refusal(Errno.UNKNOWN_MSGID), ref, fields.msgid);
    const { limits } = this.#handlers;
    const { session } = connection;
    if (session && !session.modern) this.#handlers.confirmation.acted(session);
    const context = new Context(connection, session!, command, ref, line, limits);
    if (command.from === "session" && !session) return this.#misplaced(context, Errno.LOGIN_FIRST);
    if (command.from === "no session" && session) return this.#misplaced(context, Errno.LOGGED_IN);
    const request = ref === undefined && fields.ref !== undefined && fields.ref !== null
      ? "ref must be an integer or a string of at most 64 characters"
      : check(command.msgid, fields);
    if (typeof request === "string") {
      const done = this.#wasted(context, new Refusal(Errno.BAD_FIELD, request));
      this.#count(connection);
      return done;
    }
    connection.badLines = 0;
    if (command.free) {
      const counts = command.free(context, request);
      const done = this.#run(context, request);
      return counts ? both(done, this.#pay(connection)) : done;
    }
    const payer = payerOf(connection, session);
    if (connection.overLimit > 0 && limits.hasRested(payer)) connection.overLimit = 0;
    const retry = limits.request(payer, command.cost?.(request));
    return retry > 0 ? both(this.#tooMany(context, retry), this.#handlers.patience.exceeded(connection, retry)) : this.#run(context, request);
  }

  #run(context: Context, request: Request<RequestId>): void | Promise<void> {
    try {
      const result = context.command.handle(context, request);
      // Who has too much waiting for commits waits here as well.
      if (result instanceof Promise) return result.then((fields) => context.succeed(fields), (error) => this.#fail(context, error));
      context.succeed(result);
    } catch (error) {
      return this.#fail(context, error);
    }
  }

  #fail(context: Context, error: unknown): void | Promise<void> {
    const { command, session } = context;
    const refusal = asRefusal(error, command.msgid);
    // What was stored before must be answered before.
    if (command.ordered && session) return this.#handlers.sending.refuse(session, refusal, context.answered);
    context.refuse(refusal);
  }

  /** Over the limit. An error, which costs more than the answer, is made only for what must wait for its turn. */
  #tooMany(context: Context, retry: number): void | Promise<void> {
    if (context.command.ordered) return this.#fail(context, new Refusal(Errno.TOO_MANY, undefined, { retry }));
    context.refuse({ errno: Errno.TOO_MANY, message: ERRMSG[Errno.TOO_MANY]!, extra: { retry } });
  }

  /** A good line at the wrong time: it ends a row of malformed ones. */
  #misplaced(context: Context, errno: Errno): void | Promise<void> {
    context.connection.badLines = 0;
    return this.#wasted(context, new Refusal(errno));
  }

  /** A line that no command can be found for. */
  #bad(connection: Connection, refusal: Refusal, ref?: Ref, msgid?: unknown): void | Promise<void> {
    const re = Number.isSafeInteger(msgid) ? { re: msgid } : {};
    connection.send(withRef({ msgid: Msg.REPLY, errno: refusal.errno, errmsg: refusal.message, ...re }, ref));
    this.#count(connection);
    return this.#pay(connection);
  }

  /** A request that is refused before it is looked at. */
  #wasted(context: Context, refusal: Refusal): void | Promise<void> {
    return both(this.#fail(context, refusal), this.#pay(context.connection));
  }

  /** It counts among the other lines; it was answered, or was not to be. */
  #pay(connection: Connection, cost = 1): void | Promise<void> {
    const retry = this.#handlers.limits.otherLine(connection.id, cost);
    if (retry > 0) return this.#handlers.patience.exceeded(connection, retry);
  }

  /** Malformed lines in a row close the connection. */
  #count(connection: Connection): void {
    if (++connection.badLines >= MAX_BAD_LINES) this.#handlers.badInput(connection);
  }
}

/** Who pays for a request. A connection's number cannot be a user's. */
function payerOf(connection: Connection, session: Session | undefined): number {
  return session ? session.userId : -connection.id;
}

/** Resolves when both have, if one of them is to be waited for. */
function both(one: void | Promise<void>, other: void | Promise<void>): void | Promise<void> {
  return one && other ? one.then(() => other) : one ?? other;
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}

function withRef(message: Outgoing, ref: Ref | undefined): Outgoing {
  return ref === undefined ? message : { ...message, ref };
}

/** What a client is told of an error. What it cannot be told goes into the log, under an incident number that it is told. */
function asRefusal(error: unknown, msgid: number): Refusal {
  if (error instanceof Refusal) return error.errno === Errno.UNAVAILABLE && error.extra.retry === undefined ? unavailable(error.message) : error;
  if (error instanceof StoreUnavailable) return unavailable();
  const incident = crypto.randomUUID().slice(0, 8);
  log.error("a request failed", { incident, msgid, error });
  return new Refusal(Errno.FAILED, ERRMSG[Errno.FAILED], { incident });
}

function unavailable(errmsg?: string): Refusal {
  return new Refusal(Errno.UNAVAILABLE, errmsg, { retry: RETRY_AFTER_MS });
}
