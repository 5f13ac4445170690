/** What is said: messages as they come, what is sent, which conversation is on the screen, and how far the user has looked. */
import type { Anew, Changed, ClientEvents } from "../../client/natter_client.ts";
import { explain, gist } from "../format.ts";
import { Deeds } from "./deeds.ts";
import type { Groups } from "./groups.ts";
import { asKept, lastOnes } from "./kept_lines.ts";
import { currentLine, withEnd, withoutLines, withoutPast, withStored } from "./lines.ts";
import { withHeard, withMention, withWritten } from "./marks.ts";
import { Meanwhile } from "./meanwhile.ts";
import { findMentions, speaksToMe } from "./mentions.ts";
import * as model from "./model.ts";
import type { Conversation, Key, Line } from "./model.ts";
import { Names } from "./names.ts";
import { Overview } from "./overview.ts";
import { Pages } from "./pages.ts";
import type { Account, AccountListener } from "./account.ts";
import type { Store } from "./store.ts";
import { Typing } from "./typing.ts";
import { lineOfSent } from "./uploads.ts";

/** So many messages of a conversation stay here when another is opened. */
const KEPT = 200;
/** So many new messages are surely in the newest page. */
const FEW_NEW = 20;

export class Talk implements AccountListener {
  /** A message came that is not `silent`. `seen`: it is on the screen. `speaks`: to the user, by name. */
  came: (conversation: Conversation, line: Line, how: { seen: boolean; speaks: boolean }) => void = () => {};
  /** Another device of the user changed something else than conversations; or a list may be another. */
  elsewhere: (what: Changed["what"]) => void = () => {};
  /** The newest messages of the open conversation are on the screen, and stay there when more come. */
  following = true;
  /** What is done to messages. */
  readonly meanwhile = new Meanwhile();
  readonly names: Names;
  readonly overview: Overview;
  readonly pages: Pages;
  readonly deeds: Deeds;
  readonly typing: Typing;
  /** What happens in groups. */
  groups: Pick<Groups, "heard" | "again"> = { heard: () => {}, again: () => {} };
  readonly #store: Store;
  readonly #account: Account;
  /** A conversation that is on the screen, and whose messages are not up to date. */
  #stale: Key | undefined;
  /** Messages of which the user is not told before it is known how far the user has read. */
  #held: { key: Key; line: Line; speaks: boolean }[] = [];
  /** Who the user is. */
  #owner = 0;
  /** What spoke to the user meanwhile is looked for once in a session, when it is known what was read. */
  #looked = false;

  constructor(store: Store, account: Account) {
    this.#store = store;
    this.#account = account;
    this.names = new Names(store, account);
    this.overview = new Overview(store, account, this.meanwhile);
    this.pages = new Pages(store, account, this.meanwhile);
    this.deeds = new Deeds(store, account, this.overview);
    this.typing = new Typing(store, account);
    this.overview.progress = () => this.#known();
    this.deeds.unsure = (key, messageid) => void this.pages.again(key, messageid);
    this.deeds.mentioned = (key, line) => this.#hold(key, line, true);
  }

  entered(): void {
    const { conversations, open, me } = this.#store.state;
    if (me.id !== this.#owner) this.#held = [];
    this.#owner = me.id;
    this.names.forget();
    const fresh = new Map<Key, Conversation>();
    const last = new Set(lastOnes(conversations));
    // A log that was full left out what was said in groups: what is here may have gaps.
    for (const [key, c] of conversations) {
      fresh.set(key, key === open ? { ...c, older: "idle", newer: "idle" } : last.has(c) ? asKept(c) : withoutLines(c));
    }
    this.#store.update({ conversations: fresh });
    this.#looked = false;
    this.overview.entered();
    this.pages.entered();
    // What is to be read may be far from the newest: that is known in a moment.
    this.#stale = open;
  }

  anew(why: Anew["why"]): void {
    const { conversations } = this.#store.state;
    // What was deleted meanwhile is not told again, wherever it stands.
    const how = why === "restored" ? withoutPast : (c: Conversation) => ({ ...withoutLines(c), quoted: new Map() });
    this.#store.update({ conversations: new Map([...conversations].map(([key, c]) => [key, how(c)])) });
  }

  /** What was opened while it was tried is not on its way. */
  failed(): void {
    if (this.#stale) this.#show(this.#stale);
  }

  leaving(): void {
    this.overview.leaving();
  }

  changed(what: Changed["what"]): void {
    if (what === "conversations") this.overview.refresh();
    else if (what === "profile") this.names.again(this.#store.state.me.id);
    else this.elsewhere(what);
  }

  message(message: ClientEvents["message"]): void {
    const { me, groups } = this.#store.state;
    const key = model.keyOf(message, me.id);
    const line = model.lineOf(message);
    const group = groups.get(message.groupid ?? 0);
    if (message.groupid !== undefined && !group) this.elsewhere("groups");
    const mine = line.id === me.id;
    // A group of which the list does not know yet has no name; nobody's number is its.
    const person = () => mine ? this.names.of(model.numberOf(key)) : line.name;
    const name = message.groupid === undefined ? person() : group?.groupname ?? `#${message.groupid}`;
    const open = this.#store.state.open === key;
    this.#store.change(key, name, (c) => withStored(c, line, open && !this.following));
    this.#comes(key, line);
    this.overview.came(key, { messageid: line.messageid, mine });
    this.typing.stops(key, line.id);
    if (mine) {
      const here = this.#account.client.sentHere(message);
      return this.#store.amend(key, (c) => ({ ...withWritten(c, line), divider: here ? c.divider : undefined }));
    }
    const speaks = speaksToMe(this.#store.state, key, line);
    const seen = open && this.#visible && this.following;
    // Who sees it come needs no line above it. Where the line goes is known when it is known what was read.
    this.#store.amend(key, (c) => withMention(withHeard(c, line, open && !seen && this.overview.knows(key)), line.messageid, speaks));
    if (line.deleted) return;
    if (seen) {
      this.overview.saw(key, line.messageid);
      this.#store.update({ spoken: `${line.name}: ${gist(line).slice(0, 300)}` });
      if (!message.silent) this.came(this.#store.conversation(key)!, line, { seen: true, speaks });
    } else if (!message.silent) {
      this.#hold(key, line, speaks);
    }
  }

  edit(event: ClientEvents["edit"]): void {
    this.meanwhile.happens(() => this.deeds.edited(event));
  }

  delete(event: ClientEvents["delete"]): void {
    this.meanwhile.happens(() => this.deeds.deleted(event));
  }

  react(event: ClientEvents["react"]): void {
    // This is not done again: it does not know of what the user put there since, which the log need not tell.
    this.deeds.reacted(event);
  }

  group(event: ClientEvents["group"]): void {
    const { me, groups } = this.#store.state;
    this.groups.heard(event);
    if (event.what !== "invited") {
      this.#comes(`g${event.groupid}`, model.lineOfEvent(event));
      this.#again(() => this.groups.again(event));
    }
    if (event.what !== "joined" || event.id !== me.id || groups.has(event.groupid)) return;
    // Of one that the user had left, or was put out of, before: that was in the log as well, and has taken it off the lists.
    this.elsewhere("groups");
    this.overview.refresh();
  }

  read(event: ClientEvents["read"]): void {
    this.overview.heard(event);
  }

  /** What is being asked for may not know of it yet. */
  sent(event: ClientEvents["sent"]): void {
    const key = model.keyOfTarget(event.to);
    if (!key || event.state !== "stored") return;
    this.overview.came(key, { messageid: event.messageid, mine: true });
    this.#comes(key, { ...lineOfSent(event, this.#store.state.me), messageid: event.messageid, ts: event.ts });
  }

  signal(event: ClientEvents["signal"]): void {
    this.typing.heard(event);
  }

  /** Shows a conversation; undefined: none. */
  open(key: Key | undefined): void {
    const { open } = this.#store.state;
    if (key === open) return;
    if (open) this.#store.amend(open, leave);
    if (key !== undefined && !this.#store.conversation(key)) key = undefined;
    this.following = true;
    this.#stale = key;
    this.#store.update({ open: key });
    if (key === undefined) return;
    // What was kept is for when there is nothing better.
    if (this.#askable(key)) this.#store.amend(key, (c) => c.kept ? withoutLines(c) : c);
    this.#show(key);
  }

  /** The user has seen the messages of the open conversation up to this one. */
  saw(key: Key, messageid: number): void {
    if (this.#visible && this.#store.state.open === key) this.overview.saw(key, messageid);
  }

  /** Sends a message. It is kept until the server has it. `silent`: nobody is notified. */
  send(key: Key, text: string, { files, silent }: { files?: number[] | undefined; silent?: boolean } = {}): void {
    const c = this.#store.conversation(key);
    const reply = c?.writing?.what === "reply" ? c.writing.line.messageid : undefined;
    this.#store.amend(key, (c) => ({ ...c, divider: undefined, writing: undefined }));
    this.typing.sent();
    // What becomes of it, the client's `sent` says.
    this.#account.client.chat(model.targetOf(key), text, { reply, files, silent }).catch(() => {});
    if (c?.moreafter) void this.pages.newest(key);
  }

  /** Sends a message that failed once more, under the `mid` it had: it cannot come twice. */
  retry(key: Key, { mid, msg, reply, silent, files }: Line): void {
    this.#account.client.chat(model.targetOf(key), msg, { mid, reply, silent, files: files?.map((file) => file.id) }).catch((error) => {
      // Of what the server refuses `sent` tells; of a session that has ended, nobody does.
      if (this.#store.state.connection.state === "closed") this.#store.complain(explain(error));
    });
  }

  discard(key: Key, { mid }: Line): void {
    if (mid !== undefined) this.#account.discard(key, mid);
  }

  /** What is being written is an answer to a message, or another text for it; undefined: neither. */
  write(key: Key, writing: Conversation["writing"]): void {
    this.#store.amend(key, (c) => ({ ...c, writing }));
  }

  /** A line is at the end, if the end is here: also of a page that is being asked for, and may not reach up to it. */
  #comes(key: Key, line: Line): void {
    this.#again(() => this.#store.amend(key, (c) => withEnd(c, line)));
  }

  /** Something has come: again when what is being asked for is here, but not among what is another's who has logged in since. */
  #again(deed: () => void): void {
    const { client } = this.#account;
    this.meanwhile.again(() => client === this.#account.client && deed());
  }

  get #visible(): boolean {
    return document.visibilityState === "visible";
  }

  /** The user is told of it, unless it was read, as soon as that is known. */
  #hold(key: Key, line: Line, speaks: boolean): void {
    this.#held.push({ key, line, speaks });
    this.#known();
  }

  /** More is known of what the user has read. */
  #known(): void {
    if (!this.#looked && this.overview.complete) {
      this.#looked = true;
      void findMentions(this.#store, this.#account.client, this.meanwhile);
    }
    if (this.#stale) this.#show(this.#stale);
    const held = this.#held.filter(({ key }) => this.overview.knows(key));
    this.#held = this.#held.filter(({ key }) => !this.overview.knows(key));
    for (const { key, line, speaks } of held) {
      const c = this.#store.conversation(key);
      // It may say something else by now.
      const now = currentLine(c, line);
      if (c && line.messageid > c.read && !now.deleted) this.came(c, now, { seen: false, speaks });
    }
  }

  /** Whether the server can be asked, and it is known what for. */
  #askable(key: Key): boolean {
    return this.#store.state.connection.state === "online" && this.overview.knows(key);
  }

  /** Brings what is to be read, as soon as it is known where that begins. */
  #show(key: Key): void {
    const c = this.#store.conversation(key);
    if (!c || key !== this.#store.state.open) return;
    if (!this.#askable(key) && (c.kept || !this.overview.knows(key))) {
      const { connection } = this.#store.state;
      const history = c.history === "loaded" ? "loaded" : connection.state === "closed" || connection.state === "offline" ? "failed" : "loading";
      return this.#store.amend(key, (c) => ({ ...c, history }));
    }
    this.#stale = undefined;
    // A message of long ago that the user was at when the connection was lost.
    if (c.moreafter && !c.kept) return;
    const { lines, more, moreafter, kept, read, unread } = c;
    const reaches = unread <= FEW_NEW || !kept && lines.length > 0 && lines.at(-1)!.messageid > read;
    const begun = lines.length > 0 && !moreafter && (!more || lines[0].messageid <= read + 1) && reaches;
    this.#store.amend(key, (c) => {
      const opened = c.divider === undefined && c.unread > 0 ? { ...c, divider: c.read } : c;
      return unread > 0 && !begun ? withoutLines(opened) : opened;
    });
    void (unread > 0 && !begun ? this.pages.around(key, read + 1) : this.pages.newest(key));
  }
}

/** The user turns to something else. */
function leave(c: Conversation): Conversation {
  const left = { ...c, divider: undefined, target: undefined, writing: c.writing?.what === "reply" ? c.writing : undefined };
  // What is here may not be the newest, or not be so any more.
  if (c.moreafter || c.kept) return asKept(left);
  const long = c.lines.length > KEPT;
  return { ...left, lines: long ? c.lines.slice(-KEPT) : c.lines, more: c.more || long };
}
