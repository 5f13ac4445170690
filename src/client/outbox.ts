/**
 * What this client has sent and the server has not answered yet.
 *
 * Rules:
 *
 * 1. A message is in here from `add` until the server said 0 or a definite no, or it came back by the log, which says the same as 0. Losing the connection takes
 *    nothing out.
 * 2. Each has a `mid`, which never changes: sending it again is harmless, and so what is unanswered when a connection ends is sent again on the next.
 * 3. Per conversation, messages go out in the order they were added, at most `window` of them unanswered. With a window of 1 they are also stored in
 *    that order whatever the server answers; a larger one is faster over long distances, and can reorder where the server says "later" (15, 19) in the middle.
 * 4. "Later" holds back that conversation only, for as long as the server said.
 */
import { ConnectionLost, NatterError } from "./errors.ts";
import { Msg, type Request, type Target } from "./protocol.ts";
import type { Answered, Link } from "./link.ts";

/** A message on its way. Plain data: it can be kept as JSON, and given to a later client. */
export interface PendingSend {
  /** Its name among all messages of this user. */
  mid: string;
  /** Where it goes. */
  to: Target;
  /** What is said. */
  msg: string;
  /** The message of the same conversation that it answers. */
  reply?: number | undefined;
  /** Nobody is to be disturbed by it. */
  silent?: boolean | undefined;
  /** Files of one's own that go with it. */
  files?: number[] | undefined;
}

/** Where the server put a message. */
export interface Stored {
  /** Its name among all messages of this user. */
  mid: string;
  /** The server's number for it. */
  messageid: number;
  /** When it was stored (ms since the epoch). */
  ts: number;
}

/** What became of a message: `sending` as soon as it is here, then one of the others. */
export type Sent =
  & PendingSend
  & ({ state: "sending" } | { state: "stored"; messageid: number; ts: number } | { state: "failed"; error: NatterError });

interface Entry extends PendingSend {
  conversation: Conversation;
  /** On the way on the present connection. */
  sent: boolean;
  /** It is stored or refused, whatever is answered now. */
  done: boolean;
  settle?: { resolve(stored: Stored): void; reject(error: Error): void };
}

interface Conversation {
  key: string;
  /** In the order they were added. */
  entries: Entry[];
  inFlight: number;
  /** Runs while the server wants to be left alone. */
  pause?: ReturnType<typeof setTimeout>;
}

/** When the server says "later" without saying when (ms). */
const LATER_MS = 1000;

/** Keeps what is unanswered, sends it, and sends it again. */
export class Outbox {
  readonly #window: number;
  readonly #changed: (sent: Sent) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #conversations = new Map<string, Conversation>();
  #link: Link | undefined;
  #maxLine = Infinity;

  /** `changed` hears of every step of every message. */
  constructor(window: number, changed: (sent: Sent) => void) {
    this.#window = window;
    this.#changed = changed;
  }

  /** What is unanswered, in the order it was added. */
  pending(): PendingSend[] {
    return [...this.#entries.values()].map(plain);
  }

  /** Adds what an earlier client left unanswered. */
  restore(pending: PendingSend[]): void {
    for (const send of pending) this.#add(send);
  }

  /** Sends a message as soon as it can be. Rejects with {@linkcode NatterError}, and with {@linkcode ConnectionLost} after {@linkcode Outbox.abandon}. */
  add(send: PendingSend): Promise<Stored> {
    return new Promise((resolve, reject) => this.#add(send, { resolve, reject }));
  }

  /** A session stands: sends everything on this link, from now on at once. `maxLine` in bytes. */
  attach(link: Link, maxLine: number): void {
    this.#link = link;
    this.#maxLine = maxLine;
    for (const conversation of [...this.#conversations.values()]) this.#flush(conversation);
  }

  /** The link ended: everything waits for the next one. Its answers have all been given ({@linkcode Link}, rule 2). */
  detach(): void {
    this.#link = undefined;
    for (const conversation of this.#conversations.values()) {
      clearTimeout(conversation.pause);
      conversation.pause = undefined;
    }
  }

  /** Nobody waits for answers any more; the messages stay, for a later session of the same user. */
  abandon(): void {
    for (const entry of this.#entries.values()) {
      entry.settle?.reject(new ConnectionLost("closed"));
      entry.settle = undefined;
    }
  }

  /** Forgets all messages: another user's session begins. */
  clear(): void {
    this.abandon();
    this.#entries.clear();
    this.#conversations.clear();
  }

  /** A message of this user came by the log: if it is one of these it is stored. */
  came({ mid, messageid, ts }: { mid?: string; messageid: number; ts: number }): void {
    const entry = mid === undefined ? undefined : this.#entries.get(mid);
    if (entry === undefined) return;
    this.#stored(entry, messageid, ts);
    this.#flush(entry.conversation);
  }

  #add(send: PendingSend, settle?: Entry["settle"]): void {
    const { mid } = send;
    const to = targetOf(send.to);
    if (this.#entries.has(mid)) throw new TypeError(`A message with the mid ${mid} is already on its way`);
    const key = JSON.stringify(to);
    let conversation = this.#conversations.get(key);
    if (conversation === undefined) this.#conversations.set(key, conversation = { key, entries: [], inFlight: 0 });
    const entry: Entry = { ...send, to, conversation, sent: false, done: false, settle };
    this.#entries.set(mid, entry);
    conversation.entries.push(entry);
    this.#changed({ ...plain(entry), state: "sending" });
    this.#flush(conversation);
  }

  #flush(conversation: Conversation): void {
    const { entries } = conversation;
    for (let i = 0; i < entries.length;) {
      if (this.#link === undefined || conversation.pause !== undefined || conversation.inFlight >= this.#window) return;
      const entry = entries[i];
      const request = requestOf(entry);
      if (entry.sent) {
        i++;
      } else if (fits(request, this.#maxLine)) {
        i++;
        entry.sent = true;
        conversation.inFlight++;
        this.#link.call(request, this.#answer(entry));
      } else {
        this.#fail(entry, new NatterError(14, "the line is too long"));
      }
    }
  }

  #answer(entry: Entry): Answered {
    return (reply) => {
      const { conversation } = entry;
      entry.sent = false;
      conversation.inFlight--;
      if (reply === undefined) return;
      const error = NatterError.of(reply);
      if (entry.done) {
        // It came by the log before.
      } else if (error === undefined) {
        this.#stored(entry, reply.messageid as number, reply.ts as number);
      } else if (error.errno === 15 || error.errno === 19) {
        conversation.pause ??= setTimeout(() => {
          conversation.pause = undefined;
          this.#flush(conversation);
        }, error.retry ?? LATER_MS);
      } else {
        this.#fail(entry, error);
      }
      this.#flush(conversation);
    };
  }

  #stored(entry: Entry, messageid: number, ts: number): void {
    this.#remove(entry);
    entry.settle?.resolve({ mid: entry.mid, messageid, ts });
    this.#changed({ ...plain(entry), messageid, ts, state: "stored" });
  }

  #fail(entry: Entry, error: NatterError): void {
    this.#remove(entry);
    entry.settle?.reject(error);
    this.#changed({ ...plain(entry), state: "failed", error });
  }

  #remove(entry: Entry): void {
    const { key, entries } = entry.conversation;
    entry.done = true;
    this.#entries.delete(entry.mid);
    entries.splice(entries.indexOf(entry), 1);
    if (entries.length === 0) this.#conversations.delete(key);
  }
}

/** Only what can be kept. */
function plain({ mid, to, msg, reply, silent, files }: PendingSend): PendingSend {
  return { mid, to, msg, ...(reply === undefined ? {} : { reply }), ...(silent ? { silent } : {}), ...(files ? { files } : {}) };
}

/** Only what names the target: callers may pass a whole contact. */
function targetOf(to: Target): Target {
  if ("groupid" in to) return { groupid: to.groupid };
  return "id" in to ? { id: to.id } : { name: to.name };
}

/** The fields by which a message names its receiver. */
export function fieldsOf(to: Target): { toid: number } | { toname: string } | { groupid: number } {
  if ("groupid" in to) return { groupid: to.groupid };
  return "id" in to ? { toid: to.id } : { toname: to.name };
}

function requestOf(send: PendingSend): Request {
  const { to, ...rest } = plain(send);
  return { msgid: "groupid" in to ? Msg.GROUP_CHAT : Msg.CHAT, ...fieldsOf(to), ...rest };
}

/** Whether this request makes a line of at most `maxLine` bytes, the longest `ref` included. */
function fits(request: Request, maxLine: number): boolean {
  const line = JSON.stringify({ ...request, ref: Number.MAX_SAFE_INTEGER });
  // No UTF-16 unit takes more than 3 bytes of UTF-8.
  return line.length * 3 <= maxLine || new TextEncoder().encode(line).length <= maxLine;
}
