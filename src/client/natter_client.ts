/**
 * natter's client library: a session that lasts, over connections that do not.
 *
 * It runs wherever TypeScript does: what touches a socket comes in as `connect` (`tcp_transport.ts`, `websocket_transport.ts`). The parts: `link.ts` is one
 * connection; `session_keeper.ts` makes one after the other; `outbox.ts` and `inbox.ts` outlive them, and are attached to a link while a session stands on it.
 */
import { Emitter, throwUncaught } from "./emitter.ts";
import { Inbox } from "./inbox.ts";
import { Link, type Push } from "./link.ts";
import {
  type Anew,
  type Changed,
  type ChatMessage,
  ConnectionLost,
  type Credentials,
  type Device,
  type Friend,
  type Goodbye,
  type Group,
  type IncomingMessage,
  type LoginAck,
  type Members,
  Msg,
  NatterError,
  type Peer,
  type Presence,
  type Reply,
  type Request,
  type Signal,
  type Target,
  type User,
} from "./messages.ts";
import { fieldsOf, Outbox, type PendingSend, type Sent, type Stored } from "./outbox.ts";
import type { Backoff } from "./reconnect.ts";
import { type ConnectionState, SessionKeeper } from "./session_keeper.ts";
import type { Connect } from "./transport.ts";

export * from "./messages.ts";
export type { PendingSend, Sent, Stored } from "./outbox.ts";
export type { Backoff } from "./reconnect.ts";
export type { ConnectionState } from "./session_keeper.ts";
export type { ClientTransport, Connect, TransportEvents } from "./transport.ts";

/** What a client reports. */
export interface ClientEvents {
  /**
   * A message, each once, in the order of `seq`. It is confirmed when every listener has returned, and its promise, if it returned one, has resolved.
   * Of a user with several devices, one's own are among them, this client's too ({@linkcode NatterClient.sentHere}).
   */
  message: IncomingMessage;
  /** A friend came or went. */
  presence: Presence;
  /** Something that is worth nothing later. */
  signal: Signal;
  /** The server is about to end the connection. `state` says what follows. */
  goodbye: Goodbye;
  /** Whether the server can be reached; see {@linkcode ConnectionState}. */
  state: ConnectionState;
  /** Each login, also those by which the client comes back: the lists are fresh. */
  login: LoginAck;
  /** Right after `login`, before any message: what was remembered has gaps. Messages go on from `inbox.confirmed`. */
  anew: Anew;
  /** Something of one's own is another: ask again. */
  changed: Changed;
  /** A message of one's own moved on: `sending`, then `stored` or `failed`. */
  sent: Sent;
}

/** What a client has to remember over a reload so that nothing is lost and nothing comes twice. Plain data. */
export interface Snapshot {
  /** Whose it is. */
  id: number;
  /** The last message that was handled. */
  seq: number;
  /** The database that counted it. */
  epoch?: string | undefined;
  /** Messages of one's own that are unanswered. */
  pending: PendingSend[];
}

/** What a client is made with. */
export interface NatterClientOptions {
  /** How to reach the server. */
  connect: Connect;
  /** What an earlier client left ({@linkcode NatterClient.snapshot}). */
  resume?: Snapshot;
  /** How long connecting, logging in, or a request may take (ms). Default 20,000. */
  timeout?: number;
  /** Waiting times between attempts to come back. Default 250 to 15,000 ms. */
  backoff?: Backoff;
  /** How many messages of one conversation may be unanswered at once. Default 1, which keeps their order whatever the server answers; more is faster. */
  window?: number;
}

/**
 * A user's session: it confirms what arrives, sends again what was not answered, notices a dead server, and comes back by itself.
 *
 * ```ts
 * import { NatterClient } from "./natter_client.ts";
 * import { tcp } from "./tcp_transport.ts";
 *
 * await using client = new NatterClient({ connect: tcp({ port: 6000 }) });
 * client.on("message", (m) => console.log(`${m.name}: ${m.msg}`));
 * client.on("state", (s) => console.log(s.state));
 *
 * await client.register("bob", "a good password");
 * await client.login({ name: "bob", password: "a good password" });
 * const { messageid } = await client.chat({ name: "alice" }, "hello"); // stored, whatever crashes next
 * const { messages } = await client.history({ name: "alice" }, { limit: 10 });
 * ```
 */
export class NatterClient implements AsyncDisposable {
  readonly #connect: Connect;
  readonly #timeout: number;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #keeper: SessionKeeper;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #midPrefix = randomText();
  #lastMid = 0;
  /** Whose messages are in the boxes. */
  #owner: number | undefined;
  #session: LoginAck | undefined;
  /** The link, while a session stands on it. */
  #link: Link | undefined;

  /** Connects to nothing yet: `login` does. */
  constructor({ connect, resume, timeout = 20_000, backoff = { min: 250, max: 15_000 }, window = 1 }: NatterClientOptions) {
    this.#connect = connect;
    this.#timeout = timeout;
    this.#keeper = new SessionKeeper({
      connect,
      timeout,
      backoff,
      opened: (link, ack) => this.#opened(link, ack),
      ended: () => this.#ended(),
      push: (message) => this.#push(message),
      changed: (state) => this.#emitter.emit("state", state),
    });
    this.#outbox = new Outbox(window, (sent) => this.#emitter.emit("sent", sent));
    this.#inbox = new Inbox(() => this.#emitter.listeners("message"), (cause) => {
      this.#link?.close(new ConnectionLost("lost", { cause }));
      throwUncaught(cause);
    });
    if (resume) {
      this.#owner = resume.id;
      this.#inbox.reset(resume.seq, resume.epoch);
      this.#outbox.restore(resume.pending);
    }
  }

  /** Listens. @returns what ends it. */
  on<K extends keyof ClientEvents>(name: K, listener: (event: ClientEvents[K]) => unknown): () => void {
    const off = this.#emitter.on(name, listener);
    if (name === "message") this.#inbox.handOver();
    return off;
  }

  /** Whether the server can be reached. */
  get state(): ConnectionState {
    return this.#keeper.state;
  }

  /** The last LOGIN_ACK: who this is, the token, the limits. Undefined before the first login and after `logout()`. */
  get session(): LoginAck | undefined {
    return this.#session;
  }

  /** Messages of one's own that are unanswered, in the order they were given. */
  pending(): PendingSend[] {
    return this.#outbox.pending();
  }

  /** What to keep for the option `resume` of a later client; it changes with every `message` (after it was handled) and `sent`. Undefined before the first login. */
  snapshot(): Snapshot | undefined {
    return this.#owner === undefined ? undefined : {
      id: this.#owner,
      seq: this.#inbox.handled,
      epoch: this.#inbox.epoch,
      pending: this.pending(),
    };
  }

  /** Makes an account, on a connection of its own. Rejects with {@linkcode NatterError} (1: the name is taken) or {@linkcode ConnectionLost}. */
  async register(name: string, password: string): Promise<{ id: number }> {
    const link = await Link.open(this.#connect, () => {}, this.#timeout);
    try {
      return { id: fieldsOrThrow(await link.request({ msgid: Msg.REGISTER, name, password }, this.#timeout)).id as number };
    } finally {
      await link.close();
    }
  }

  /**
   * Logs in, and stays so until `close()`, `logout()`, or a definite refusal (`state` becomes `closed`).
   *
   * By password, the first attempt decides. By token, which is coming back, it keeps trying as it does after a lost connection.
   * Rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}.
   */
  login(credentials: Credentials): Promise<LoginAck> {
    return this.#keeper.start(credentials);
  }

  /** Ends the session, its token and its device, and closes. Rejects if the server could not be told: it is over here all the same, but the token lives. */
  async logout(): Promise<void> {
    this.#inbox.confirm();
    try {
      await this.request({ msgid: Msg.LOGOUT });
    } finally {
      this.#session = undefined;
      await this.#stop("logout");
    }
  }

  /** Confirms what has been handled, and closes. The session can be taken up again by token. What is unanswered stays in {@linkcode NatterClient.pending}; its promises reject. */
  close(): Promise<void> {
    this.#inbox.confirm();
    return this.#stop("close");
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * The user asked for it, or the network may be another one: tries again at once, when `state` is `offline`; begins anew an attempt that has taken long; asks a
   * server that seems to be there for a word, and gives the connection up if none comes (both: 2.5 s).
   */
  reconnectNow(): void {
    this.#keeper.hurry();
  }

  /**
   * Sends a message, to a user or a group. It is kept until the server has answered, over any number of connections, and stored once.
   *
   * @param mid Identifies it, unique among all messages of this user; made here unless given.
   * @returns where it was stored. Rejects with {@linkcode NatterError} when the server will not have it, with {@linkcode ConnectionLost} when this client is closed.
   */
  chat(to: Target, msg: string, mid: string = `${this.#midPrefix}-${++this.#lastMid}`): Promise<Stored> {
    // Without an owner it could go out in the name of whoever logs in next.
    if (this.state.state === "closed" || this.#owner === undefined) return Promise.reject(new ConnectionLost("closed"));
    return this.#outbox.add({ mid, to, msg });
  }

  /** Whether this very client sent a message that came by the log, under a `mid` that it made. */
  sentHere({ id, mid }: ChatMessage): boolean {
    return id === this.#owner && mid !== undefined && mid.startsWith(`${this.#midPrefix}-`);
  }

  /** Sends what is worth nothing later (`typing`). Dropped when offline. */
  signal(to: { id: number } | { groupid: number }, msg?: string): void {
    this.#link?.send({ msgid: Msg.SIGNAL, ...fieldsOf(to), msg });
  }

  /** The newest messages of a conversation, or those before a message; oldest first. */
  async history(of: Target, { before, limit }: { before?: number; limit?: number } = {}): Promise<{ messages: ChatMessage[]; more: boolean }> {
    const { messages, more } = await this.request({ msgid: Msg.HISTORY, ...fieldsOf(of), before, limit });
    return { messages: messages as ChatMessage[], more: more as boolean };
  }

  /** What was said, by its words: the newest messages in which all of them occur, newest first. `before` the last one of a page is the next page. */
  async search(
    text: string,
    { of, from, before, limit }: {
      of?: { id: number } | { groupid: number } | undefined;
      from?: number;
      before?: number | undefined;
      limit?: number;
    } = {},
  ): Promise<{ messages: ChatMessage[]; more: boolean }> {
    const { messages, more } = await this.request({ msgid: Msg.SEARCH, text, ...of ? fieldsOf(of) : {}, from, before, limit });
    return { messages: messages as ChatMessage[], more: more as boolean };
  }

  /** The contact list, the groups, and whom one blocks, as of now. */
  async contacts(): Promise<{ friends: Friend[]; groups: Group[]; blocked: number[] }> {
    const { friends, groups, blocked } = await this.request({ msgid: Msg.CONTACTS });
    return { friends: friends as Friend[], groups: groups as Group[], blocked: blocked as number[] };
  }

  /** Adds someone to the contact list, and tells how they are. Twice is once. */
  async addFriend(friend: Peer): Promise<Friend> {
    const fields = "id" in friend ? { friendid: friend.id } : { friendname: friend.name };
    return (await this.request({ msgid: Msg.ADD_FRIEND, ...fields })).friend as Friend;
  }

  /** Takes someone off the contact list. */
  async removeFriend(friendid: number): Promise<void> {
    await this.request({ msgid: Msg.REMOVE_FRIEND, friendid });
  }

  /** Makes a group; one is its first member. Rejects with {@linkcode NatterError} 1 if the name is taken. */
  async createGroup(groupname: string, groupdesc = ""): Promise<{ groupid: number }> {
    return { groupid: (await this.request({ msgid: Msg.CREATE_GROUP, groupname, groupdesc })).groupid as number };
  }

  /** Enters a group. Twice is once. */
  async joinGroup(group: { id: number } | { name: string }): Promise<Group> {
    const fields = "id" in group ? { groupid: group.id } : { groupname: group.name };
    return (await this.request({ msgid: Msg.JOIN_GROUP, ...fields })).group as Group;
  }

  /** Who is in a group, by pages in the order of their numbers; one has to be in it. `after`: the last number of the page before; `limit`: 1 to 200. */
  async members(groupid: number, { after, limit }: { after?: number; limit?: number } = {}): Promise<Members> {
    const { groupdesc, members, count, more } = await this.request({ msgid: Msg.MEMBERS, groupid, after, limit });
    return { groupdesc, members, count, more } as Members;
  }

  /** Users by number, by name, or (where the server allows it) by the beginning of their names; those that exist. */
  async users(which: { ids: number[] } | { names: string[] } | { find: string }): Promise<User[]> {
    return (await this.request({ msgid: Msg.USERS, ...which })).users as User[];
  }

  /** One's own devices, by number. */
  async devices(): Promise<Device[]> {
    return (await this.request({ msgid: Msg.DEVICES })).devices as Device[];
  }

  /** Signs one of one's devices out, wherever it is; this client's own: as `logout()`. */
  async removeDevice(device: number): Promise<void> {
    if (device === this.#session?.device.id) return await this.logout();
    await this.request({ msgid: Msg.REMOVE_DEVICE, device });
  }

  /** Leaves a group; the last one out closes it. */
  async leaveGroup(groupid: number): Promise<void> {
    await this.request({ msgid: Msg.LEAVE_GROUP, groupid });
  }

  /** Signs all other devices of this user out. */
  async changePassword(oldPassword: string, newPassword: string): Promise<void> {
    await this.request({ msgid: Msg.CHANGE_PASSWORD, old: oldPassword, new: newPassword });
  }

  /** Takes no more messages of this user to oneself; signals go in neither direction. */
  async block(userid: number): Promise<void> {
    await this.request({ msgid: Msg.BLOCK, userid });
  }

  /** Takes them again. */
  async unblock(userid: number): Promise<void> {
    await this.request({ msgid: Msg.UNBLOCK, userid });
  }

  /** The time to the server and back (ms). */
  async ping(): Promise<number> {
    const start = performance.now();
    await this.request({ msgid: Msg.PING });
    return performance.now() - start;
  }

  /** Any request, on the present connection. Rejects with {@linkcode NatterError} if errno is not 0, with {@linkcode ConnectionLost} when offline or unanswered: it may have been done. */
  async request(message: Request): Promise<Reply> {
    if (this.#link === undefined) throw new ConnectionLost("closed");
    return fieldsOrThrow(await this.#link.request(message, this.#timeout));
  }

  #stop(reason: "close" | "logout"): Promise<void> {
    this.#outbox.abandon();
    return this.#keeper.stop(reason);
  }

  #opened(link: Link, ack: LoginAck): void {
    if (this.#owner !== ack.id) {
      this.#outbox.clear();
      this.#inbox.reset();
      this.#owner = ack.id;
    }
    this.#session = ack;
    this.#link = link;
    const why = this.#inbox.attach(link, ack.inbox);
    this.#emitter.emit("login", ack);
    if (why) this.#emitter.emit("anew", { why });
    this.#outbox.attach(link, ack.limits.line);
  }

  #ended(): void {
    this.#link = undefined;
    this.#inbox.detach();
    this.#outbox.detach();
  }

  #push(message: Push): void {
    switch (message.msgid) {
      case Msg.CHAT:
      case Msg.GROUP_CHAT:
        if (message.id === this.#owner) this.#outbox.came(message as unknown as IncomingMessage);
        return this.#inbox.receive(message as unknown as IncomingMessage);
      case Msg.CHANGED:
        return this.#emitter.emit("changed", message as unknown as Changed);
      case Msg.PRESENCE:
        return this.#emitter.emit("presence", message as unknown as Presence);
      case Msg.SIGNAL:
        return this.#emitter.emit("signal", message as unknown as Signal);
      case Msg.GOODBYE:
        return this.#emitter.emit("goodbye", message as unknown as Goodbye);
    }
  }
}

function fieldsOrThrow(reply: Reply): Reply {
  const error = NatterError.of(reply);
  if (error) throw error;
  return reply;
}

/** 16 random characters. (`crypto.randomUUID` does not exist on pages that came over plain HTTP.) */
function randomText(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
