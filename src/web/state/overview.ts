/**
 * The list of conversations as the server has it, what one has read, and what one keeps of conversations (muted, pinned, archived).
 *
 * Rules:
 *
 * 1. The list is asked for at each login, all pages one after the other, and again when something says that it is another. One run at a time.
 * 2. What comes while a page is on its way may be in it or not: it is remembered (`#came`), and added to what the page says if that is older.
 * 3. What was read is shown as read at once, and told a moment later, the highest of each conversation; what the server puts off, when it says; what could not
 *    be told, at the next login.
 */
import { type ClientEvents, type Conversation as Talk, NatterError } from "../../client/natter_client.ts";
import { ask } from "./asking.ts";
import { isOver } from "./lists.ts";
import { type Came, knowsUnread, withPeerRead, withRead, withTalk } from "./marks.ts";
import { type Conversation, type Key, keyOf, newConversation, targetOf } from "./model.ts";
import { patiently } from "../../client/patiently.ts";
import type { Account } from "./account.ts";
import type { Meanwhile } from "./meanwhile.ts";
import type { Store } from "./store.ts";

/** Conversations of a page. */
const CONVERSATIONS_OF_PAGE = 100;
/** How long it may take until the server is told what was read (ms). */
const TELL_READ = 300;
/** How long several reasons to ask again are waited for (ms). */
const REASONS_WAIT = 100;
/** When the list is asked for again if the server cannot tell it now, and what was read is told again if it does not say when (ms). */
const ASK_AGAIN_AFTER = 5000;

export class Overview {
  /** More of the list is known than before. */
  progress: () => void = () => {};
  readonly #store: Store;
  readonly #account: Account;
  readonly #meanwhile: Meanwhile;
  #run: symbol | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  /** What this session was told of. */
  #told = new Set<Key>();
  /** Whether this session has been told of all. */
  complete = false;
  readonly #came = new Map<Key, Came[]>();
  /** What was read and is not told yet. */
  readonly #marks = new Map<Key, number>();
  /** By whom. */
  #reader = 0;
  #telling: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store, account: Account, meanwhile: Meanwhile) {
    this.#store = store;
    this.#account = account;
    this.#meanwhile = meanwhile;
    addEventListener("pagehide", () => this.#tell());
  }

  /** A session stands. */
  entered(): void {
    const { id } = this.#store.state.me;
    // What another user of this browser has read is not this one's.
    if (id !== this.#reader) this.#marks.clear();
    this.#reader = id;
    this.#told = new Set();
    this.complete = false;
    this.#tell();
    void this.#load();
  }

  /** The session is about to end. */
  leaving(): void {
    this.#tell();
  }

  /** Whether this session knows how far the user has read there. */
  knows(key: Key): boolean {
    return this.complete || this.#told.has(key);
  }

  /** Something in the list is another, and cannot be told from here. */
  refresh(): void {
    this.#again ??= setTimeout(() => void this.#load(), REASONS_WAIT);
  }

  /** A message has come. */
  came(key: Key, came: Came): void {
    if (this.#run) this.#came.set(key, [...this.#came.get(key) ?? [], came]);
  }

  /** The user has seen all messages up to this one. */
  saw(key: Key, messageid: number): void {
    const c = this.#store.conversation(key);
    if (!c || messageid <= c.read || !this.knows(key)) return;
    this.#store.amend(key, (c) => withRead(c, messageid, this.#store.state.me.id));
    this.#marks.set(key, messageid);
    this.#telling ??= setTimeout(() => this.#tell(), TELL_READ);
  }

  /** Another device of the user, or the other one of a conversation, has read up to there. */
  heard(mark: ClientEvents["read"]): void {
    const { me } = this.#store.state;
    const key = keyOf(mark, me.id);
    const c = this.#store.conversation(key);
    if (!c) return;
    if (mark.id !== me.id) return this.#store.amend(key, (c) => withPeerRead(c, mark.messageid));
    if (!knowsUnread(c, mark.messageid)) this.refresh();
    this.#store.amend(key, (c) => withRead(c, mark.messageid, me.id));
  }

  /** What the user keeps of a conversation. Rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}. */
  async keep(key: Key, { muted, pinned, archived }: Partial<Pick<Conversation, "muted" | "pinned" | "archived">>): Promise<void> {
    const said = {
      ...(muted === undefined ? {} : { until: muted }),
      ...(pinned === undefined ? {} : { pinned }),
      ...(archived === undefined ? {} : { archived }),
    };
    await ask(this.#account, (client) => client.mute(targetOf(key), said));
    this.#store.amend(key, (c) => ({ ...c, muted: muted ?? c.muted, pinned: pinned ?? c.pinned, archived: archived ?? c.archived }));
  }

  async #load(): Promise<void> {
    clearTimeout(this.#again);
    this.#again = undefined;
    const run = this.#run = Symbol();
    this.#came.clear();
    const { client } = this.#account;
    const told = new Set<Key>();
    const isCurrent = () => this.#run === run && client === this.#account.client;
    let place: { before?: number; beforegroup?: number | undefined } = {};
    try {
      for (let more = true; more;) {
        const ask = () => patiently(() => client.conversations({ limit: CONVERSATIONS_OF_PAGE, ...place }));
        await this.#meanwhile.asked(ask, (page) => {
          if (isCurrent()) this.#take(page.conversations, told);
          const end = page.conversations.at(-1);
          more = page.more && end !== undefined;
          place = end?.last ? { before: end.last.messageid } : { beforegroup: end?.groupid };
        });
        if (!isCurrent()) return;
        this.progress();
      }
    } catch (error) {
      if (this.#run !== run) return;
      this.#run = undefined;
      // If the connection is gone, the next login asks again; an answer may also be late on one that stands.
      if (error instanceof NatterError || client.state.state === "online") this.#again ??= setTimeout(() => void this.#load(), ASK_AGAIN_AFTER);
      return;
    }
    this.#finish(told);
  }

  #take(page: Talk[], told: Set<Key>): void {
    const conversations = new Map(this.#store.state.conversations);
    for (const talk of page) {
      const key: Key = talk.groupid === undefined ? `u${talk.toid!}` : `g${talk.groupid}`;
      conversations.set(key, withTalk(conversations.get(key) ?? newConversation(key, talk.name), talk, this.#came.get(key) ?? []));
      told.add(key);
      this.#told.add(key);
    }
    this.#store.update({ conversations });
  }

  /** All is told. What was not has no messages; or moved to the top meanwhile. */
  #finish(told: Set<Key>): void {
    const { conversations, ...state } = this.#store.state;
    const known = new Map(conversations);
    for (const [key, c] of conversations) {
      if (told.has(key) || this.#came.has(key)) continue;
      const silent = { ...c, last: undefined, unread: 0, muted: 0, pinned: false, archived: false };
      if (isOver(silent, state)) known.delete(key);
      else known.set(key, silent);
    }
    if ([...this.#came.keys()].some((key) => !told.has(key))) this.refresh();
    this.#run = undefined;
    this.complete = true;
    this.#store.update({ conversations: known, listed: true });
    this.progress();
  }

  #tell(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    const { client } = this.#account;
    for (const [key, messageid] of this.#marks) {
      const done = () => this.#marks.get(key) === messageid && this.#marks.delete(key);
      client.read(targetOf(key), messageid).then(done, (error) => {
        // Without a connection it stays.
        if (!(error instanceof NatterError)) return;
        if (error.errno === 15 || error.errno === 19) this.#telling ??= setTimeout(() => this.#tell(), error.retry ?? ASK_AGAIN_AFTER);
        // A conversation that is gone has no marks.
        else done();
      });
    }
  }
}
