/** CHAT and GROUP_CHAT: messages that are stored. */
import type { Session } from "../net/session.ts";
import { fanOutCost, textCost } from "../ops/costs.ts";
import type { Limits } from "../ops/limits.ts";
import type { Hook } from "../store/hooks.ts";
import type { Append, Conversation, GroupId, Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import { comparableName } from "../wire/names.ts";
import type { Appender, Author, Outcome } from "./appender.ts";
import type { Quota } from "./quota.ts";

/** What the sender is told of a stored message. */
export interface Stored {
  /** Its number; rises within a conversation. */
  messageid: number;
  /** When it was stored (ms since the epoch). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string;
}

/** What goes to each receiver. */
export type Said = Pick<Append, "msg" | "files">;

/** What is told of a file is about so long. */
const FILE_LENGTH = 256;

/** What those are told who may keep no more. */
export const OVER_QUOTA = "you have as much here as you may have";

/** Called once with what goes into the answer. */
export type Answer = (result: Stored | Error) => void;

/** Takes messages from their senders. */
export class Sending {
  readonly #store: Store;
  readonly #appender: Appender;
  readonly #limits: Limits;
  readonly #quota: Quota;

  /** Joins it to the store, for names, to what commits, and to who charges for it and bounds it. */
  constructor(store: Store, appender: Appender, limits: Limits, quota: Quota) {
    this.#store = store;
    this.#appender = appender;
    this.#limits = limits;
    this.#quota = quota;
  }

  /** What a message costs, as far as it is known before: of a group's it is after its first message. */
  cost({ msg, files, groupid }: Said & { groupid?: GroupId }): number {
    return textCost(msg.length) + this.#fanOut({ msg, files }, groupid);
  }

  /** One to one. Waited for are a receiver given by name, and room for what the session has waiting. */
  chat(session: Session, request: Request<typeof Msg.CHAT>, answer: Answer): void | Promise<void> {
    const { toid, toname } = request;
    if (toid !== undefined) return this.#append(session, { toid }, request, answer);
    return this.#find(toname!).then(
      (id) => this.#append(session, { toid: id }, request, answer),
      (error) => this.refuse(session, error, answer),
    );
  }

  /** To a group. */
  groupChat(session: Session, request: Request<typeof Msg.GROUP_CHAT>, answer: Answer): void | Promise<void> {
    return this.#append(session, { groupid: request.groupid }, request, answer);
  }

  /** What comes by a hook, whose key has that hash. Rejects with {@linkcode Refusal}, or StoreUnavailable. */
  hook({ bot, name, hash }: Hook & { hash: Uint8Array }, request: Request<typeof Msg.GROUP_CHAT>): Promise<Stored> {
    const { promise, resolve, reject } = Promise.withResolvers<Stored>();
    const answer: Answer = (result) => result instanceof Error ? reject(result) : resolve(result);
    // One request of an author that nobody else is: there is nothing to wait for before the next.
    void this.#append({ userId: bot, name }, { groupid: request.groupid }, request, answer, hash);
    return promise;
  }

  /** A request of these two that failed before it got here is answered in its turn as well. */
  refuse(session: Session, error: Error, answer: Answer): void | Promise<void> {
    return this.#appender.refuse(session, error, (outcome) => answer(resultOf(outcome, {})));
  }

  async #find(name: string): Promise<UserId> {
    const account = await this.#store.findUser({ key: comparableName(name) });
    if (!account) throw new Refusal(Errno.NO_USER);
    return account.id;
  }

  #append(
    author: Author,
    to: Conversation,
    { msg, mid, reply, silent, files }: Pick<Request<typeof Msg.GROUP_CHAT>, "msg" | "mid" | "reply" | "silent" | "files">,
    answer: Answer,
    hook?: Uint8Array,
  ): void | Promise<void> {
    const charged = this.#fanOut({ msg, files }, to.groupid);
    const append: Append = { sender: author.userId, ...to, msg, ts: Date.now(), mid };
    if (reply !== undefined) append.reply = reply;
    if (silent) append.silent = true;
    if (files) append.files = files;
    if (hook) append.hook = hook;
    if (this.#quota.isOver(author.userId, msg)) append.overQuota = true;
    return this.#appender.append(author, append, (outcome) => {
      this.#limits.charge(author.userId, this.#fanOut({ msg, files }, to.groupid) - charged);
      if (!(outcome instanceof Error) && outcome.errno === "OK" && !outcome.repeated) this.#quota.add(author.userId, msg);
      answer(resultOf(outcome, append));
    });
  }

  #fanOut({ msg, files }: Said, groupid: GroupId | undefined): number {
    const length = msg.length + (files?.length ?? 0) * FILE_LENGTH;
    return groupid === undefined ? 0 : fanOutCost(this.#appender.receiversOf(groupid) ?? 0, length);
  }
}

function resultOf(outcome: Outcome, { mid, files, overQuota }: Pick<Append, "mid" | "files" | "overQuota">): Stored | Error {
  if (outcome instanceof Error) return outcome;
  if (outcome.errno === "FULL" && overQuota) return new Refusal(Errno.FULL, OVER_QUOTA);
  if (outcome.errno === "BAD_FIELD") return new Refusal(Errno.BAD_FIELD, "mid names another message of yours");
  if (outcome.errno === "NO_MESSAGE" && files) return new Refusal(Errno.NO_MESSAGE, "no such message, or no such file of yours that nothing uses");
  if (outcome.errno !== "OK") return new Refusal(Errno[outcome.errno]);
  return { messageid: outcome.messageid, ts: outcome.ts, ...(mid === undefined ? {} : { mid }) };
}
