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
  type ClientEvents,
  type ConnectionState,
  type Friend,
  type Group,
  type LoginAck,
  NatterClient,
  type PendingSend,
  type Sent,
} from "../../client/natter_client.ts";
import { websocket } from "../../client/websocket_transport.ts";
import {
  type Conversation,
  isGroup,
  type Key,
  keyOfTarget,
  type Line,
  newConversation,
  numberOf,
  targetOf,
  withoutOwn,
  withOwn,
  withStored,
} from "./model.ts";
import * as storage from "./storage.ts";
import type { Store } from "./store.ts";
import { Tabs } from "./tabs.ts";

/** How long what is not urgent may wait to be kept (ms). */
const KEEP_AFTER = 300;

/** What else wants to hear of the session. */
export interface SessionListener {
  /** It stands again, with fresh lists. `behind`: another client of this user has been at work meanwhile. */
  entered(behind: boolean): void;
  message: (message: ClientEvents["message"]) => void;
  signal: (signal: ClientEvents["signal"]) => void;
}

export class Session {
  listener: SessionListener | undefined;
  readonly #store: Store;
  readonly #tabs: Tabs;
  #client = makeClient();
  /** Whose things are in the store. */
  #owner = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store) {
    this.#store = store;
    this.#tabs = new Tabs(() => this.#pause(), (active) => this.#otherTab(active));
    let kept = store.state.conversations;
    store.subscribe(({ conversations }) => {
      if (conversations !== kept) this.#timer ??= setTimeout(() => this.#keep(), KEEP_AFTER);
      kept = conversations;
    });
    addEventListener("pagehide", () => {
      this.#keep();
      this.#tabs.active = false;
    });
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
    addEventListener("online", () => this.#client.reconnectNow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#client.reconnectNow());
  }

  get client(): NatterClient {
    return this.#client;
  }

  /** Shows what there is to show when the page opens. */
  async start(): Promise<void> {
    if (await this.#tabs.anyone(storage.readAccount()?.token !== undefined)) return this.#store.update({ screen: "elsewhere" });
    this.#begin();
  }

  /** Takes the account over from another tab. */
  async useHere(): Promise<void> {
    this.#store.update({ screen: "starting" });
    await this.#tabs.takeOver();
    this.#begin();
  }

  /** Logs in. Rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}. */
  async logIn(credentials: { id: number; password: string } | { name: string; password: string }): Promise<void> {
    const account = storage.readAccount();
    const client = this.#use(makeClient(account && storage.readBox(account.id)));
    await client.login(credentials);
  }

  /** Makes an account, and logs in. Rejects as {@linkcode Session.logIn} does. */
  async register(name: string, password: string): Promise<void> {
    const { id } = await this.#client.register(name, password);
    await this.logIn({ id, password });
  }

  /** Ends the session, and forgets in this browser what was said. */
  async logOut(): Promise<void> {
    const { id, name } = this.#store.state.me;
    this.#clear();
    this.#store.update({ screen: "login", notice: undefined, dialog: undefined, me: { id: 0, name } });
    storage.forget(id);
    this.#tabs.active = false;
    // Without a connection the server cannot be told; then the token dies of age.
    await this.#client.logout().catch(() => {});
  }

  /** The user asked for it: tries now. */
  reconnect(): void {
    const token = storage.readAccount()?.token;
    const { id } = this.#store.state.me;
    if (this.#client.state.state !== "closed") this.#client.reconnectNow();
    else if (token) this.#client.login({ id, token }).catch(() => {});
  }

  /** Puts fresh lists into the store, and each of them among the conversations. */
  lists({ friends, groups }: { friends: Friend[]; groups: Group[] }): void {
    const conversations = new Map(this.#store.state.conversations);
    const ensure = (key: Key, name: string) => conversations.set(key, { ...conversations.get(key) ?? newConversation(key, name), name });
    for (const { id, name } of friends) ensure(`u${id}`, name);
    for (const { id, groupname } of groups) ensure(`g${id}`, groupname);
    const known = new Map(groups.map((group) => [group.id, group]));
    for (const key of conversations.keys()) if (isGroup(key) && !known.has(numberOf(key))) conversations.delete(key);
    const { open } = this.#store.state;
    this.#store.update({
      conversations,
      friends: new Map(friends.map((friend) => [friend.id, friend])),
      groups: known,
      open: open && conversations.has(open) ? open : undefined,
    });
  }

  #begin(): void {
    const account = storage.readAccount();
    if (account?.token === undefined) return this.#store.update({ screen: "login", me: { id: 0, name: account?.name ?? "" } });
    const { id, token } = account;
    const box = storage.readBox(id);
    this.#tabs.active = true;
    const client = this.#use(makeClient(box));
    this.#restore(account, box);
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
    on("state", (state) => this.#stateChanged(state));
    on("sent", (sent) => this.#sent(sent));
    on("message", (message) => this.listener?.message(message));
    on("signal", (signal) => this.listener?.signal(signal));
    on("presence", ({ id, state, lastseen }) => {
      const friend = this.#store.state.friends.get(id);
      if (friend) this.#store.update({ friends: new Map(this.#store.state.friends).set(id, { ...friend, state, lastseen }) });
    });
    return client;
  }

  #entered(ack: LoginAck): void {
    const { id, name, token, inbox } = ack;
    this.#tabs.active = true;
    const known = storage.readBox(id);
    if (this.#owner !== id) {
      this.#restore({ id, name }, known);
      // The client had another user's box, or none.
      const here = new Set(this.#client.pending().map((send) => send.mid));
      for (const { to, msg, mid } of known.pending) if (!here.has(mid)) this.#client.chat(to, msg, mid).catch(() => {});
    }
    storage.writeAccount({ id, name, token });
    this.lists(ack);
    this.#store.update({ screen: "chat", notice: undefined, me: { id, name } });
    this.listener?.entered(inbox.confirmed > known.seq);
  }

  #stateChanged(connection: ConnectionState): void {
    this.#store.update({ connection });
    if (connection.state !== "closed" || connection.reason !== "refused" || this.#store.state.screen !== "chat") return;
    const { id, name } = this.#store.state.me;
    this.#keep();
    storage.writeAccount({ id, name });
    this.#tabs.active = false;
    this.#clear();
    this.#store.update({ screen: "login", notice: "refused", dialog: undefined, me: { id: 0, name } });
  }

  #sent(sent: Sent): void {
    const key = keyOfTarget(sent.to);
    if (key === undefined) return;
    const { id, name } = this.#store.state.me;
    const { mid, msg, state } = sent;
    const line = { mid, id, name, msg, state };
    if (sent.state === "stored") {
      this.#store.amend(key, (c) => withStored(c, { ...line, messageid: sent.messageid, ts: sent.ts }));
    } else {
      const failed = sent.state === "failed" ? { errno: sent.error.errno } : {};
      this.#store.amend(key, (c) => withOwn(c, { ...line, ...failed, messageid: 0, ts: Date.now() }));
    }
    this.#keep();
  }

  /** The user gives up a message that failed. */
  discard(key: Key, mid: string): void {
    this.#store.amend(key, (c) => withoutOwn(c, mid));
    this.#keep();
  }

  /** What an earlier page left, of this user. */
  #restore({ id, name }: storage.Account, box: storage.Box): void {
    this.#owner = id;
    const conversations = new Map<Key, Conversation>(storage.readConversations(id).map((c) => [c.key, c]));
    const own = ({ to, mid, msg }: PendingSend, rest: Pick<Line, "state" | "errno" | "ts">) => {
      const key = keyOfTarget(to);
      if (key === undefined) return;
      const there = conversations.get(key) ?? newConversation(key, `#${numberOf(key)}`);
      conversations.set(key, withOwn(there, { ...rest, messageid: 0, mid, msg, id, name }));
    };
    for (const { ts, errno, ...send } of box.failed) own(send, { state: "failed", errno, ts });
    for (const send of this.#client.pending()) own(send, { state: "sending", ts: Date.now() });
    this.#store.update({
      me: { id, name },
      conversations,
      blocked: storage.readBlocked(id),
      friends: new Map(),
      groups: new Map(),
      typing: new Map(),
    });
  }

  #keep(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const snapshot = this.#client.snapshot();
    // Not before it is clear whose client this is, and not in a tab that gave the account away.
    if (!this.#tabs.active || snapshot?.id !== this.#owner) return;
    const { conversations } = this.#store.state;
    const failed = [...conversations].flatMap(([key, { own }]) =>
      own.filter((line) => line.state === "failed").map(({ mid = "", msg, ts, errno = 0 }) => ({ mid, to: targetOf(key), msg, ts, errno }))
    );
    storage.writeBox({ ...snapshot, failed });
    storage.writeConversations(this.#owner, conversations.values());
  }

  /** Another tab takes the account. */
  async #pause(): Promise<void> {
    this.#keep();
    await this.#client.close();
    this.#clear();
    this.#store.update({ screen: "elsewhere", dialog: undefined });
  }

  #otherTab(active: boolean): void {
    const { screen } = this.#store.state;
    if (active && screen !== "elsewhere") {
      void this.#client.close();
      this.#clear();
      this.#store.update({ screen: "elsewhere", dialog: undefined });
    } else if (!active && screen === "elsewhere" && storage.readAccount()?.token === undefined) {
      this.#begin();
    }
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#owner = 0;
    this.#store.update({ conversations: new Map(), friends: new Map(), groups: new Map(), typing: new Map(), open: undefined });
  }
}

function makeClient(resume?: storage.Box): NatterClient {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = url.hash = "";
  return new NatterClient({ connect: websocket(url.href), ...(resume ? { resume } : {}) });
}
