/** What is said: messages as they come, the history, what is sent, who is typing, what has been read. */
import { type Anew, type Changed, type ChatMessage, type ClientEvents, NatterError } from "../../client/natter_client.ts";
import * as model from "./model.ts";
import type { Conversation, Key, Line } from "./model.ts";
import { Names } from "./names.ts";
import type { Session, SessionListener } from "./session.ts";
import { sorted, type Store } from "./store.ts";

/** Messages of a page of history. */
const PAGE = 50;
/** So many messages of a conversation stay here when another is opened. */
const KEPT = 200;
/** How often others are told that the user is typing, and how long it is believed of them (ms). */
const TELL_TYPING = 3000, BELIEVE_TYPING = 5000;
/** For so many conversations the newest message is asked for at login, if it is not known: for some at once, then with a pause (ms) before each. */
const PREVIEWS = 50, AT_ONCE = 20, PREVIEW_PAUSE = 100;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class Talk implements SessionListener {
  /** A message came that the user does not see at this moment. */
  unseen: (conversation: Conversation, line: Line) => void = () => {};
  /** Another device of the user changed something. */
  changed: (what: Changed["what"]) => void = () => {};
  readonly names: Names;
  readonly #store: Store;
  readonly #session: Session;
  #toldTyping = { key: "" as Key | "", at: 0 };
  #forgetTyping: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store, session: Session) {
    this.#store = store;
    this.#session = session;
    this.names = new Names(store, session);
    document.addEventListener("visibilitychange", () => this.#visible && this.#saw());
  }

  entered(): void {
    const { conversations, open } = this.#store.state;
    this.names.forget();
    const fresh = new Map<Key, Conversation>();
    // A log that was full left out what was said in groups: what is here may have gaps.
    for (const [key, c] of conversations) fresh.set(key, key === open ? { ...c, older: "idle" } : model.withoutLines(c));
    this.#store.update({ conversations: fresh });
    if (open) void this.loadNewest(open);
    void this.#loadPreviews(false);
  }

  anew(why: Anew["why"]): void {
    const { conversations, open } = this.#store.state;
    if (why === "restored") {
      this.#store.update({ conversations: new Map([...conversations].map(([key, c]) => [key, model.withoutPast(c)])) });
      if (open) void this.loadNewest(open);
    }
    void this.#loadPreviews(true);
  }

  message(message: ClientEvents["message"]): void {
    const { me, groups } = this.#store.state;
    const key = model.keyOf(message, me.id);
    const line = model.lineOf(message);
    const group = groups.get(message.groupid ?? 0);
    if (message.groupid !== undefined && !group) void this.#refreshLists();
    // It may have been handled before, if the page went away before that could be said.
    const known = line.messageid <= (this.#store.conversation(key)?.heard ?? 0);
    const mine = line.id === me.id;
    const name = group?.groupname ?? (mine ? this.names.of(model.numberOf(key)) : line.name);
    this.#store.change(key, name, (c) => model.withStored(c, line));
    this.#stopsTyping(key, line.id);
    if (mine && !this.#session.client.sentHere(message)) this.#store.amend(key, (c) => model.withWritten(c, line));
    if (known || mine) return;
    const open = this.#store.state.open === key;
    const seen = open && this.#visible;
    this.#store.amend(key, (c) => model.withHeard(c, line, seen, open));
    if (!seen) this.unseen(this.#store.conversation(key)!, line);
    else this.#store.update({ spoken: `${line.name}: ${line.msg.slice(0, 300)}` });
  }

  signal({ id, groupid, msg }: ClientEvents["signal"]): void {
    const key: Key = groupid === undefined ? `u${id}` : `g${groupid}`;
    if (msg !== "typing" || !this.#store.conversation(key)) return;
    const others = (this.#store.state.typing.get(key) ?? []).filter((typist) => typist.id !== id);
    this.#setTyping(key, [...others, { id, until: Date.now() + BELIEVE_TYPING }]);
    this.#forgetTyping ??= setTimeout(() => this.#forgetLateTypists(), BELIEVE_TYPING);
  }

  /** Shows a conversation; undefined: none. */
  open(key: Key | undefined): void {
    const { open } = this.#store.state;
    if (key === open) return;
    if (open) this.#store.amend(open, leave);
    if (key !== undefined && !this.#store.conversation(key)) key = undefined;
    this.#store.update({ open: key });
    if (key === undefined) return;
    this.#store.amend(key, (c) => ({ ...c, divider: c.unread > 0 ? c.read : undefined }));
    if (this.#visible) this.#saw();
    const { history } = this.#store.conversation(key)!;
    if (history === "unknown" || history === "failed") void this.loadNewest(key);
  }

  /** Brings the newest messages. */
  async loadNewest(key: Key): Promise<void> {
    this.#store.amend(key, (c) => c.history === "loaded" ? c : { ...c, history: "loading" });
    const page = await this.#history(key, { limit: PAGE });
    this.#store.amend(key, (c) => {
      if (page) return model.withNewest(c, page.messages.map(model.lineOf), page.more);
      return c.history === "loaded" ? c : { ...c, history: "failed" };
    });
    if (this.#store.state.open === key && this.#visible) this.#saw();
  }

  /** Brings what was said before. */
  async loadOlder(key: Key): Promise<void> {
    const c = this.#store.conversation(key);
    if (!c || !c.more || c.older === "loading" || c.history !== "loaded" || c.lines.length === 0) return;
    const before = c.lines[0].messageid;
    this.#store.amend(key, (c) => ({ ...c, older: "loading" }));
    const page = await this.#history(key, { limit: PAGE, before });
    this.#store.amend(key, (c) => {
      // It may have been left and opened anew meanwhile.
      if (c.lines[0]?.messageid !== before) return { ...c, older: "idle" };
      // Not again by itself: without a connection that would not end.
      if (!page) return { ...c, older: "failed" };
      return model.withOlder(c, page.messages.map(model.lineOf), page.more);
    });
  }

  /** Sends a message. It is kept until the server has it. */
  send(key: Key, text: string): void {
    this.#store.amend(key, (c) => ({ ...c, divider: undefined }));
    this.#toldTyping = { key: "", at: 0 };
    // What becomes of it, the client's `sent` says.
    this.#session.client.chat(model.targetOf(key), text).catch(() => {});
  }

  /** Sends a message that failed once more, under the `mid` it had: it cannot come twice. */
  retry(key: Key, { mid, msg }: Line): void {
    this.#session.client.chat(model.targetOf(key), msg, mid).catch(() => {});
  }

  discard(key: Key, { mid }: Line): void {
    if (mid !== undefined) this.#session.discard(key, mid);
  }

  /** The user is typing. */
  typing(key: Key): void {
    const { key: told, at } = this.#toldTyping;
    if (key === told && Date.now() - at < TELL_TYPING) return;
    this.#toldTyping = { key, at: Date.now() };
    this.#session.client.signal(model.targetOf(key), "typing");
  }

  get #visible(): boolean {
    return document.visibilityState === "visible";
  }

  /** The user sees the open conversation. */
  #saw(): void {
    const { open } = this.#store.state;
    if (open) this.#store.amend(open, (c) => ({ ...c, unread: 0, read: Math.max(c.read, c.last?.messageid ?? 0) }));
  }

  /** Undefined: it cannot be had now. */
  async #history(key: Key, page: { limit: number; before?: number }): Promise<{ messages: ChatMessage[]; more: boolean } | undefined> {
    const { client } = this.#session;
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        const answer = await client.history(model.targetOf(key), page);
        return client === this.#session.client ? answer : undefined;
      } catch (error) {
        if (!(error instanceof NatterError) || error.retry === undefined) return undefined;
        await pause(error.retry);
      }
    }
    return undefined;
  }

  /** What the list shows of conversations that this browser does not know yet, or not any more. One after the other: it is not urgent. */
  async #loadPreviews(all: boolean): Promise<void> {
    const { client } = this.#session;
    const session = client.session;
    const unknown = sorted(this.#store.state.conversations).filter((c) => all || c.last === undefined).slice(0, PREVIEWS);
    for (const [i, { key }] of unknown.entries()) {
      if (i >= AT_ONCE) await pause(PREVIEW_PAUSE);
      if (!all && this.#store.conversation(key)?.last) continue;
      const page = await this.#history(key, { limit: 1 });
      if (client.session !== session || client.state.state !== "online") return;
      const line = page?.messages.map(model.lineOf)[0];
      // What waits in the inbox comes as a message, and is unread; the rest was seen by another client.
      if (line) this.#store.amend(key, (c) => ({ ...model.withStored(c, line), read: c.unread === 0 ? line.messageid : c.read }));
    }
  }

  async #refreshLists(): Promise<void> {
    const lists = await this.#session.client.contacts().catch(() => undefined);
    if (lists) this.#session.lists(lists);
  }

  #stopsTyping(key: Key, id: number): void {
    const typists = this.#store.state.typing.get(key);
    if (typists) this.#setTyping(key, typists.filter((typist) => typist.id !== id));
  }

  #setTyping(key: Key, typists: { id: number; until: number }[]): void {
    const typing = new Map(this.#store.state.typing);
    if (typists.length > 0) typing.set(key, typists);
    else typing.delete(key);
    this.#store.update({ typing });
  }

  #forgetLateTypists(): void {
    const now = Date.now();
    for (const [key, typists] of this.#store.state.typing) {
      const still = typists.filter((typist) => typist.until > now);
      if (still.length < typists.length) this.#setTyping(key, still);
    }
    const next = Math.min(...[...this.#store.state.typing.values()].flat().map((typist) => typist.until));
    this.#forgetTyping = next === Infinity ? undefined : setTimeout(() => this.#forgetLateTypists(), next - now);
  }
}

/** The user turns to something else. */
function leave(c: Conversation): Conversation {
  const long = c.lines.length > KEPT;
  return { ...c, divider: undefined, lines: long ? c.lines.slice(-KEPT) : c.lines, more: c.more || long };
}
