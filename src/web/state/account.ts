/**
 * Who is logged in, and that it stays so: over lost connections, reloads, and other tabs.
 *
 * Rules:
 *
 * 1. There is one client at a time. What an earlier one still reports is not listened to.
 * 2. What is on its way is kept before the user sees it as on its way; the rest is kept a moment later, and when the page goes.
 * 3. Only the active tab (`tabs.ts`) keeps anything.
 */
import {
  type Anew,
  type Changed,
  type ClientEvents,
  ConnectionLost,
  type ConnectionState,
  type LoginAck,
  type NatterClient,
  type PendingSend,
  type Sent,
} from "../../client/natter_client.ts";
import { deviceName } from "../device_name.ts";
import { makeClient } from "./client.ts";
import { asKept, isSignedOut, type Kept, KeptLines } from "./kept_lines.ts";
import { withoutLines, withoutOwn, withOwn, withStored } from "./lines.ts";
import { complainOfLost, takeLists } from "./lists.ts";
import { withWritten } from "./marks.ts";
import { type Conversation, type Key, keyOfTarget, type Line, newConversation, numberOf } from "./model.ts";
import * as storage from "./storage.ts";
import { nothing, type State, type Store } from "./store.ts";
import { Tabs } from "./tabs.ts";
import { lineOfSent, withoutAddresses } from "./uploads.ts";

/** How long what is not urgent may wait to be kept (ms). */
const KEEP_AFTER = 300;
/** How long a tab that is loaded anew may take until it asks for its account (ms). */
const RELOAD = 1000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What comes, and is none of the session's business. */
const PASSED_ON = ["message", "edit", "delete", "react", "group", "read", "signal", "sent"] as const;

/** What else wants to hear of the session. */
export interface AccountListener extends Pick<{ [K in keyof ClientEvents]: (event: ClientEvents[K]) => void }, typeof PASSED_ON[number]> {
  /** It stands again, with fresh lists. */
  entered(): void;
  /** Right after that: what is here does not lead up to what comes now. */
  anew(why: Anew["why"]): void;
  /** An attempt to connect failed. */
  failed(): void;
  /** The session is about to be ended from here: what is to be told yet is told now. */
  leaving(): void;
  /** Something of the user's own was changed by another device. */
  changed(what: Changed["what"]): void;
}

export class Account {
  listener: AccountListener | undefined;
  readonly #store: Store;
  readonly #tabs: Tabs;
  readonly #kept = new KeptLines();
  #client = makeClient();
  /** Whose things are in the store. */
  #owner = 0;
  /** A name under which there may be an account that was made here a moment ago. */
  #unsure: string | undefined;
  /** What was kept is of before something that this browser has handled. */
  #outdated = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store) {
    this.#store = store;
    this.#tabs = new Tabs(() => this.#pause(), (active) => void this.#otherTab(active));
    let kept = store.state.conversations;
    store.subscribe(({ conversations }) => {
      if (conversations !== kept) this.#timer ??= setTimeout(() => void this.keep(), KEEP_AFTER);
      kept = conversations;
    });
    addEventListener("pagehide", () => {
      void this.keep();
      this.#tabs.active = false;
    });
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
    // The network is another one, or the machine slept: who is there is asked, and what hangs is begun anew.
    for (const name of ["online", "offline"]) addEventListener(name, () => this.#client.reconnectNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      this.#client.reconnectNow();
      if (store.state.screen === "elsewhere") void this.#otherTab(false);
    });
  }

  get client(): NatterClient {
    return this.#client;
  }

  /** By which the server is asked over HTTP. Throws {@linkcode ConnectionLost}: since the page was opened there was no session. */
  get token(): string {
    const token = this.#client.session?.token;
    if (token === undefined) throw new ConnectionLost("closed");
    return token;
  }

  /** Shows what there is to show when the page opens. */
  async start(): Promise<void> {
    const account = storage.readAccount();
    const kept = this.#kept.read(account?.id ?? 0);
    if (await this.#tabs.anyone(account?.token !== undefined)) return this.#store.update({ screen: "elsewhere" });
    await this.#begin(kept);
  }

  /** Takes the account over from another tab. */
  async useHere(): Promise<void> {
    this.#store.update({ screen: "starting" });
    await this.#tabs.takeOver();
    await this.#begin();
  }

  /** Logs in. Rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}. */
  async logIn(credentials: ({ id: number } | { name: string }) & { password: string; takeover?: boolean }): Promise<void> {
    const account = storage.readAccount();
    const client = this.#use(makeClient(account && storage.readBox(account.id)));
    await client.login({ ...credentials, device: deviceName() });
  }

  /** Makes an account, and logs in. Rejects as {@linkcode Account.logIn} does; then the same again is the same account. */
  async register(name: string, password: string, invite?: string): Promise<void> {
    try {
      const { id } = await this.#client.register(name, password, invite);
      await this.logIn({ id, password });
    } catch (error) {
      if (error instanceof ConnectionLost) this.#unsure = name;
      // The name was taken, or the invitation used, by the attempt before, of which there was no answer.
      else if (this.#unsure === name) {
        return await this.logIn({ name, password }).catch((failure) => Promise.reject(failure instanceof ConnectionLost ? failure : error));
      }
      throw error;
    }
  }

  /** Ends the account, and forgets in this browser what was said. Rejects as {@linkcode Account.logIn} does. */
  async deleteAccount(password: string, messages: boolean): Promise<void> {
    await this.#client.deleteAccount(password, { messages });
    await this.#leave({ notice: "deleted", me: { id: 0, name: "" } });
  }

  /** Ends the session, and forgets in this browser what was said. */
  async logOut(): Promise<void> {
    await this.#leave({ notice: undefined, me: { id: 0, name: this.#store.state.me.name } });
  }

  async #leave(instead: Pick<State, "notice" | "me">): Promise<void> {
    const { id } = this.#store.state.me;
    const client = this.#client;
    this.listener?.leaving();
    // What comes before the server knows of it is shown to nobody any more.
    this.#client = makeClient();
    this.#clear({ screen: "login", connection: this.#client.state, ...instead });
    storage.forget(id);
    void this.#kept.forget();
    this.#tabs.active = false;
    // Without a connection the server cannot be told; then the token dies of age.
    await client.logout().catch(() => {});
  }

  /** The user asked for it: tries now. `takeover`: whoever has this device's session makes room. */
  async reconnect(takeover = false): Promise<void> {
    const token = storage.readAccount()?.token;
    const { id } = this.#store.state.me;
    if (takeover) await this.#client.close();
    if (this.#client.state.state !== "closed") this.#client.reconnectNow();
    else if (token) this.#client.login({ id, token, takeover }).catch(() => {});
  }

  /** `kept`: what the browser has of this account's messages, if it was asked for already. */
  async #begin(kept?: Promise<Kept | undefined>): Promise<void> {
    const account = storage.readAccount();
    if (account?.token === undefined) {
      void this.#kept.forget();
      return this.#store.update({ screen: "login", me: { id: 0, name: account?.name ?? "" } });
    }
    const { id, token } = account;
    this.#tabs.active = true;
    const lines = await (kept ?? this.#kept.read(id));
    // Another tab has taken it over meanwhile.
    if (!this.#tabs.active) return;
    const box = storage.readBox(id);
    const client = this.#use(makeClient(box));
    this.#restore(account, box, lines);
    this.#store.update({ screen: "chat" });
    // How it goes, `state` says.
    client.login({ id, token }).catch(() => {});
  }

  #use(client: NatterClient): NatterClient {
    void this.#client.close();
    this.#client = client;
    const on = <K extends keyof ClientEvents>(name: K, listener: (event: ClientEvents[K]) => void) =>
      client.on(name, (event) => {
        if (this.#client === client) listener(event);
      });
    on("login", (ack) => this.#entered(ack));
    on("anew", ({ why }) => this.listener?.anew(why));
    on("changed", ({ what }) => this.listener?.changed(what));
    on("state", (state) => this.#stateChanged(state));
    on("sent", (sent) => this.#sent(sent));
    for (const name of PASSED_ON) on(name, (event) => (this.listener?.[name] as (event: unknown) => void)?.(event));
    on("presence", ({ id, state, lastseen }) => {
      const friend = this.#store.state.friends.get(id);
      if (friend) this.#store.update({ friends: new Map(this.#store.state.friends).set(id, { ...friend, state, lastseen }) });
    });
    return client;
  }

  #entered(ack: LoginAck): void {
    const { id, name, token } = ack;
    this.#tabs.active = true;
    const known = storage.readBox(id);
    if (this.#owner !== id) {
      this.#restore({ id, name }, known);
      // The client had another user's box, or none.
      const here = new Set(this.#client.pending().map((send) => send.mid));
      for (const { to, msg, ...rest } of known?.pending ?? []) if (!here.has(rest.mid)) this.#client.chat(to, msg, rest).catch(() => {});
    }
    // What was deleted since is not told again.
    if (this.#outdated) {
      this.#store.update({ conversations: new Map([...this.#store.state.conversations].map(([key, c]) => [key, withoutLines(c)])) });
    }
    this.#outdated = false;
    storage.writeAccount({ id, name, token });
    takeLists(this.#store, ack);
    this.#store.update({ screen: "chat", notice: undefined, me: { id, name } });
    this.listener?.entered();
  }

  #stateChanged(connection: ConnectionState): void {
    this.#store.update({ connection });
    if (connection.state === "offline") this.listener?.failed();
    if (this.#owner === 0 || !isSignedOut(connection)) return;
    const { id, name } = this.#store.state.me;
    void this.keep();
    // The device may be in other hands. What was not sent yet is the user's own, and waits.
    storage.writeConversations(id, []);
    void this.#kept.forget();
    if (connection.reason !== "refused" || this.#store.state.screen !== "chat") return;
    storage.writeAccount({ id, name });
    this.#tabs.active = false;
    this.#clear({ screen: "login", notice: "refused", me: { id: 0, name } });
  }

  #sent(sent: Sent): void {
    const key = keyOfTarget(sent.to);
    if (key === undefined) return;
    const line = lineOfSent(sent, this.#store.state.me);
    if (sent.state === "stored") {
      const stored = { ...line, messageid: sent.messageid, ts: sent.ts };
      this.#store.amend(key, (c) => withWritten(withStored(c, stored), stored));
    } else {
      const failed = sent.state === "failed" ? { errno: sent.error.errno } : {};
      this.#store.amend(key, (c) => withOwn(c, { ...line, ...failed, messageid: 0, ts: Date.now() }));
      // Of a group that the user was put out of meanwhile.
      if (sent.state === "failed" && !this.#store.conversation(key)) {
        complainOfLost(this.#store, sent.msg, sent.error);
      }
    }
    void this.keep();
  }

  /** The user gives up a message that failed. */
  discard(key: Key, mid: string): void {
    this.#store.amend(key, (c) => withoutOwn(c, mid));
    void this.keep();
  }

  /** What an earlier page left, of this user. */
  #restore({ id, name }: storage.KeptAccount, box: storage.Box | undefined, kept?: Kept): void {
    this.#owner = id;
    this.#outdated = kept !== undefined && (kept.epoch !== box?.epoch || kept.seq < (box?.seq ?? 0));
    const conversations = new Map<Key, Conversation>(
      storage.readConversations(id).map((c) => [c.key, asKept({ ...c, ...kept?.runs.get(c.key) })]),
    );
    const own = ({ to, mid, msg, reply, silent, files }: PendingSend, rest: Pick<Line, "state" | "errno" | "ts">) => {
      const key = keyOfTarget(to);
      if (key === undefined) return;
      const there = conversations.get(key) ?? newConversation(key, `#${numberOf(key)}`);
      conversations.set(key, withOwn(there, { ...rest, messageid: 0, mid, msg, reply, silent, files: withoutAddresses(files), id, name }));
    };
    for (const { ts, errno, ...send } of box?.failed ?? []) own(send, { state: "failed", errno, ts });
    for (const send of this.#client.pending()) own(send, { state: "sending", ts: Date.now() });
    this.#store.update({ ...nothing(), me: { id, name }, conversations });
  }

  /** Keeps what is here: what must not be lost at once, what is there to be read when this resolves. */
  async keep(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const snapshot = this.#client.snapshot();
    // Not before it is clear whose client this is, and not in a tab that gave the account away.
    if (!this.#tabs.active || snapshot?.id !== this.#owner) return;
    const { conversations } = this.#store.state;
    storage.writeBox({ ...snapshot, failed: storage.failedOf(conversations) });
    if (isSignedOut(this.#client.state)) return;
    storage.writeConversations(this.#owner, conversations.values());
    await this.#kept.write(snapshot, conversations);
  }

  /** Another tab takes the account. */
  async #pause(): Promise<void> {
    this.listener?.leaving();
    await this.keep();
    await this.#client.close();
    this.#giveAway();
  }

  async #otherTab(active: boolean): Promise<void> {
    const { screen } = this.#store.state;
    if (active && screen !== "elsewhere") {
      void this.#client.close();
      this.#giveAway();
    } else if (!active && screen === "elsewhere") {
      // The other one was closed, or logged out. It may also be loading anew: then it asks soon, and is let in unless the user looks at this one.
      if (document.visibilityState !== "visible") return;
      await pause(RELOAD);
      if (!await this.#tabs.anyone(true) && this.#store.state.screen === "elsewhere") await this.#begin();
    }
  }

  #giveAway(): void {
    storage.letGo();
    this.#clear({ screen: "elsewhere" });
  }

  /** Forgets, in this tab, what the user sees, in one go with what is shown instead. */
  #clear(instead: Partial<State>): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#owner = 0;
    const looked = {
      open: undefined,
      dialog: undefined,
      chosen: undefined,
      picture: undefined,
      member: undefined,
      banned: undefined,
      devices: undefined,
    };
    this.#store.update({ ...nothing(), ...looked, spoken: "", ...instead });
    this.#store.hush();
  }
}
