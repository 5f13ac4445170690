/** CHAT and GROUP_CHAT: messages that are stored. */
import type { Session } from "../net/session.ts";
import { fanOutCost, textCost } from "../ops/costs.ts";
import type { Limits } from "../ops/limits.ts";
import type { Append, Conversation, GroupId, Store, UserId } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/messages.ts";
import { comparableName } from "../wire/names.ts";
import type { Appender, Outcome } from "./appender.ts";

/** What the sender is told of a stored message. */
export interface Stored {
  /** Its number; rises within a conversation. */
  messageid: number;
  /** When it was stored (ms since the epoch). */
  ts: number;
  /** The sender's own name for it. */
  mid?: string;
}

/** Called once with what goes into the answer. */
export type Answer = (result: Stored | Error) => void;

/** Takes messages from their senders. */
export class Chat {
  readonly #store: Store;
  readonly #appender: Appender;
  readonly #limits: Limits;

  /** Joins it to the store, for names, to what commits, and to who charges for it. */
  constructor(store: Store, appender: Appender, limits: Limits) {
    this.#store = store;
    this.#appender = appender;
    this.#limits = limits;
  }

  /** What a message costs, as far as it is known before: of a group's it is after its first message. */
  cost(msg: string, groupid?: GroupId): number {
    return textCost(msg.length) + this.#fanOut(msg, groupid);
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

  /** A request of these two that failed before it got here is answered in its turn as well. */
  refuse(session: Session, error: Error, answer: Answer): void | Promise<void> {
    return this.#appender.refuse(session, error, (outcome) => answer(resultOf(outcome, undefined)));
  }

  async #find(name: string): Promise<UserId> {
    const account = await this.#store.findUser({ key: comparableName(name) });
    if (!account) throw new Refusal(Errno.NO_USER);
    return account.id;
  }

  #append(
    session: Session,
    to: Conversation,
    { msg, mid }: { msg: string; mid?: string | undefined },
    answer: Answer,
  ): void | Promise<void> {
    const charged = this.#fanOut(msg, to.groupid);
    const append: Append = { sender: session.userId, ...to, msg, ts: Date.now(), ...(mid === undefined ? {} : { mid }) };
    return this.#appender.append(session, append, (outcome) => {
      this.#limits.charge(session.userId, this.#fanOut(msg, to.groupid) - charged);
      answer(resultOf(outcome, mid));
    });
  }

  #fanOut(msg: string, groupid: GroupId | undefined): number {
    return groupid === undefined ? 0 : fanOutCost(this.#appender.receiversOf(groupid) ?? 0, msg.length);
  }
}

function resultOf(outcome: Outcome, mid: string | undefined): Stored | Error {
  if (outcome instanceof Error) return outcome;
  if (outcome.errno === "BAD_FIELD") return new Refusal(Errno.BAD_FIELD, "mid names another message of yours");
  if (outcome.errno !== "OK") return new Refusal(Errno[outcome.errno]);
  return { messageid: outcome.messageid, ts: outcome.ts, ...(mid === undefined ? {} : { mid }) };
}
