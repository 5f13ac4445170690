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
  type ConnectionState,
  type Friend,
  type Group,
  type LoginAck,
  NatterClient,
  type PendingSend,
  type Sent,
} from "../../client/natter_client.ts";
import { websocket } from "../../client/websocket_transport.ts";
import { deviceName } from "../device_name.ts";
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
import type { State, Store } from "./store.ts";
import { Tabs } from "./tabs.ts";

/** How long what is not urgent may wait to be kept (ms). */
const KEEP_AFTER = 300;
/** How long a tab that is loaded anew may take until it asks for its account (ms). */
const RELOAD = 1000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What else wants to hear of the session. */
export interface SessionListener {
  /** It stands again, with fresh lists. */
  entered(): void;
  /** Right after that: what is here does not lead up to what comes now. */
  anew(why: Anew["why"]): void;
  /** Something of the user's own was changed by another device. */
  changed(what: Changed["what"]): void;
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
    this.#tabs = new Tabs(() => this.#pause(), (active) => void this.#otherTab(active));
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
  async logIn(credentials: ({ id: number } | { name: string }) & { password: string; takeover?: boolean }): Promise<void> {
    const account = storage.readAccount();
    const client = this.#use(makeClient(account && storage.readBox(account.id)));
    await client.login({ ...credentials, device: deviceName() });
  }

  /** Makes an account, and logs in. Rejects as {@linkcode Session.logIn} does. */
  async register(name: string, password: string): Promise<void> {
    const { id } = await this.#client.register(name, password);
    await this.logIn({ id, password });
  }

  /** Ends the session, and forgets in this browser what was said. */
  async logOut(): Promise<void> {
    const { id, name } = this.#store.state.me;
    this.#clear({ screen: "login", notice: undefined, me: { id: 0, name } });
    storage.forget(id);
    this.#tabs.active = false;
    // Without a connection the server cannot be told; then the token dies of age.
    await this.#client.logout().catch(() => {});
  }

  /** The user asked for it: tries now. `takeover`: whoever has this device's session makes room. */
  async reconnect(takeover = false): Promise<void> {
    const token = storage.readAccount()?.token;
    const { id } = this.#store.state.me;
    if (takeover) await this.#client.close();
    if (this.#client.state.state !== "closed") this.#client.reconnectNow();
    else if (token) this.#client.login({ id, token, takeover }).catch(() => {});
  }

  /** Puts fresh lists into the store, and each of them among the conversations. */
  lists({ friends, groups, blocked }: { friends: Friend[]; groups: Group[]; blocked: number[] }): void {
    const conversations = new Map(this.#store.state.conversations);
    const ensure = (key: Key, name: string) => conversations.set(key, { ...conversations.get(key) ?? newConversation(key, name), name });
    for (const { id, name } of friends) ensure(`u${id}`, name);
    for (const { id, groupname } of groups) ensure(`g${id}`, groupname);
    const known = new Map(groups.map((group) => [group.id, group]));
    const { open } = this.#store.state;
    const contacts = new Set(friends.map(({ id }) => id));
    for (const [key, { last, own }] of conversations) {
      // Someone who is no contact any more, and with whom nothing was said.
      const idle = !isGroup(key) && !contacts.has(numberOf(key)) && !last && own.length === 0 && key !== open;
      if (idle || isGroup(key) && !known.has(numberOf(key))) conversations.delete(key);
    }
    this.#store.update({
      conversations,
      friends: new Map(friends.map((friend) => [friend.id, friend])),
      groups: known,
      blocked: new Set(blocked),
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
    on("anew", ({ why }) => this.listener?.anew(why));
    on("changed", ({ what }) => this.listener?.changed(what));
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
    const { id, name, token } = ack;
    this.#tabs.active = true;
    const known = storage.readBox(id);
    if (this.#owner !== id) {
      this.#restore({ id, name }, known);
      // The client had another user's box, or none.
      const here = new Set(this.#client.pending().map((send) => send.mid));
      for (const { to, msg, mid } of known?.pending ?? []) if (!here.has(mid)) this.#client.chat(to, msg, mid).catch(() => {});
    }
    storage.writeAccount({ id, name, token });
    this.lists(ack);
    this.#store.update({ screen: "chat", notice: undefined, me: { id, name } });
    this.listener?.entered();
  }

  #stateChanged(connection: ConnectionState): void {
    this.#store.update({ connection });
    if (connection.state !== "closed" || connection.reason !== "refused" || this.#store.state.screen !== "chat") return;
    const { id, name } = this.#store.state.me;
    this.#keep();
    storage.writeAccount({ id, name });
    this.#tabs.active = false;
    this.#clear({ screen: "login", notice: "refused", me: { id: 0, name } });
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
  #restore({ id, name }: storage.Account, box: storage.Box | undefined): void {
    this.#owner = id;
    const conversations = new Map<Key, Conversation>(storage.readConversations(id).map((c) => [c.key, c]));
    const own = ({ to, mid, msg }: PendingSend, rest: Pick<Line, "state" | "errno" | "ts">) => {
      const key = keyOfTarget(to);
      if (key === undefined) return;
      const there = conversations.get(key) ?? newConversation(key, `#${numberOf(key)}`);
      conversations.set(key, withOwn(there, { ...rest, messageid: 0, mid, msg, id, name }));
    };
    for (const { ts, errno, ...send } of box?.failed ?? []) own(send, { state: "failed", errno, ts });
    for (const send of this.#client.pending()) own(send, { state: "sending", ts: Date.now() });
    this.#store.update({
      me: { id, name },
      conversations,
      blocked: new Set(),
      friends: new Map(),
      groups: new Map(),
      members: new Map(),
      names: new Map(),
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
    this.#clear({ screen: "elsewhere" });
  }

  async #otherTab(active: boolean): Promise<void> {
    const { screen } = this.#store.state;
    if (active && screen !== "elsewhere") {
      void this.#client.close();
      this.#clear({ screen: "elsewhere" });
    } else if (!active && screen === "elsewhere") {
      // The other one was closed, or logged out. It may also be loading anew: then it asks soon, and is let in unless the user looks at this one.
      if (document.visibilityState !== "visible") return;
      await pause(RELOAD);
      if (!await this.#tabs.anyone(true) && this.#store.state.screen === "elsewhere") this.#begin();
    }
  }

  /** Forgets, in this tab, what the user sees, in one go with what is shown instead. */
  #clear(instead: Partial<State>): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#owner = 0;
    const empty = { conversations: new Map(), friends: new Map(), groups: new Map(), members: new Map(), names: new Map(), typing: new Map() };
    this.#store.update({ ...empty, blocked: new Set(), devices: undefined, open: undefined, dialog: undefined, ...instead });
  }
}

function makeClient(resume?: storage.Box): NatterClient {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = url.hash = "";
  return new NatterClient({ connect: websocket(url.href), ...(resume ? { resume } : {}) });
}
