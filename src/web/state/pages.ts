/** What was said, by pages: the newest, those around a message, and on from there in both directions. */
import type { History } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import { lineAt, type Page, withAround, withFiles, withNewer, withNewest, withOlder, withQuoted, withTold } from "./lines.ts";
import { type Conversation, type Key, lineOf, lineOfEvent, moment, targetOf } from "./model.ts";
import { patiently } from "../../client/patiently.ts";
import type { Account } from "./account.ts";
import type { Meanwhile } from "./meanwhile.ts";
import type { Store } from "./store.ts";

/** Messages of a page. */
const MESSAGES_OF_PAGE = 50;

export class Pages {
  readonly #store: Store;
  readonly #account: Account;
  readonly #meanwhile: Meanwhile;
  /** Messages that are being asked for, since one that is shown answers them. */
  readonly #quotes = new Set<string>();
  /** Answered messages that could not be had. */
  readonly #missed: [Key, number][] = [];
  /** Messages of which it is not known what they say now. */
  readonly #unsure: [Key, number][] = [];

  constructor(store: Store, account: Account, meanwhile: Meanwhile) {
    this.#store = store;
    this.#account = account;
    this.#meanwhile = meanwhile;
  }

  /** Brings the newest messages. */
  async newest(key: Key): Promise<void> {
    await this.#begin(key, {}, withNewest);
  }

  /** Brings the messages around one, unless they are here, and that one to the screen. */
  async to(key: Key, messageid: number): Promise<void> {
    const isHere = () => this.#store.conversation(key)?.lines.some((line) => line.messageid === messageid);
    if (!isHere()) await this.around(key, messageid);
    // If it comes later, the user is at something else, and would be torn from that.
    if (isHere()) this.#store.amend(key, (c) => ({ ...c, target: { messageid } }));
    else if (this.#store.state.open === key) this.#store.complain(t.historyFailed);
  }

  /** Brings the messages around one. */
  async around(key: Key, messageid: number): Promise<void> {
    await this.#begin(key, { around: messageid }, withAround);
  }

  /** Brings what was said before. */
  async older(key: Key): Promise<void> {
    const c = this.#store.conversation(key);
    if (!c || !c.more || c.older === "loading" || c.history !== "loaded" || c.lines.length === 0) return;
    const before = c.lines[0].messageid;
    this.#store.amend(key, (c) => ({ ...c, older: "loading" }));
    await this.#page(key, { limit: MESSAGES_OF_PAGE, before }, (c, page) => {
      // It may have been left and opened anew meanwhile.
      if (c.lines[0]?.messageid !== before) return { ...c, older: "idle" };
      // Not again by itself: without a connection that would not end.
      return page ? withOlder(c, page) : { ...c, older: "failed" };
    });
  }

  /** Brings what was said after that, if the newest messages are not here. */
  async newer(key: Key): Promise<void> {
    const c = this.#store.conversation(key);
    if (!c || !c.moreafter || c.newer === "loading" || c.history !== "loaded" || c.lines.length === 0) return;
    const after = c.lines.at(-1)!.messageid;
    this.#store.amend(key, (c) => ({ ...c, newer: "loading" }));
    await this.#page(key, { limit: MESSAGES_OF_PAGE, after }, (c, page) => {
      if (c.lines.at(-1)?.messageid !== after || !c.moreafter) return { ...c, newer: "idle" };
      return page ? withNewer(c, page) : { ...c, newer: "failed" };
    });
  }

  /** Brings a message that is answered by one that is shown, if it is not here. */
  async quote(key: Key, messageid: number): Promise<void> {
    const c = this.#store.conversation(key);
    const name = `${key} ${messageid}`;
    if (!c || lineAt(c, messageid) || c.quoted.has(messageid) || this.#quotes.has(name)) return;
    this.#quotes.add(name);
    await this.#page(key, { limit: 2, around: messageid }, (c, page) => {
      if (page) return withQuoted(c, messageid, page.lines.find((line) => line.messageid === messageid) ?? null);
      this.#missed.push([key, messageid]);
      return c;
    });
    this.#quotes.delete(name);
  }

  /** There is a connection again: what could not be asked without one is asked now. */
  entered(): void {
    for (const [key, messageid] of this.#missed.splice(0)) void this.quote(key, messageid);
    for (const [key, messageid] of this.#unsure.splice(0)) void this.again(key, messageid);
  }

  /** Asks what a message that is here says now, when there is a connection. */
  async again(key: Key, messageid: number): Promise<void> {
    await this.#page(key, { limit: 2, around: messageid }, (c, page) => {
      if (!page) this.#unsure.push([key, messageid]);
      const told = page?.lines.find((line) => line.messageid === messageid);
      return page && told ? withTold(c, told, page.asked) : c;
    });
  }

  /** Asks where the files of a message are: the answer to sending it does not tell. */
  async files(key: Key, messageid: number): Promise<void> {
    await this.#page(key, { limit: 2, around: messageid }, (c, page) => {
      const told = page?.lines.find((line) => line.messageid === messageid);
      return told ? withFiles(c, messageid, told.files) : c;
    });
  }

  /** A page in place of what is here. */
  async #begin(key: Key, where: { around?: number }, how: (c: Conversation, page: Page) => Conversation): Promise<void> {
    this.#store.amend(key, (c) => c.history === "loaded" ? c : { ...c, history: "loading" });
    const take = (c: Conversation, page: Page | undefined): Conversation =>
      page ? how(c, page) : c.history === "loaded" ? c : { ...c, history: "failed" };
    await this.#page(key, { limit: MESSAGES_OF_PAGE, ...where }, take);
  }

  /** Asks for a page, which changes the conversation. Undefined: it cannot be had now. */
  async #page(
    key: Key,
    which: { limit: number; before?: number; after?: number; around?: number },
    how: (c: Conversation, page: Page | undefined) => Conversation,
  ): Promise<void> {
    const { client } = this.#account;
    const asked = moment();
    const ask = () => patiently(() => client.history(targetOf(key), which)).catch(() => undefined);
    await this.#meanwhile.asked(ask, (answer) => {
      const page = answer && client === this.#account.client ? pageOf(answer, asked) : undefined;
      this.#store.amend(key, (c) => how(c, page));
    });
  }
}

function pageOf({ messages, events, more, moreafter }: History, asked: number): Page {
  const lines = [...messages.map(lineOf), ...events.map(lineOfEvent)].sort((a, b) => a.messageid - b.messageid);
  return { lines, more, moreafter, asked };
}
