/**
 * natter's client library: a session that lasts, over connections that do not.
 *
 * It runs wherever TypeScript does: what touches a socket comes in as `connect` (`tcp_transport.ts`, `websocket_transport.ts`). The parts: `link.ts` is one
 * connection; `session_keeper.ts` makes one after the other; `outbox.ts` and `inbox.ts` outlive them, and are attached to a link while a session stands on it. `requests.ts` is what can be asked meanwhile.
 */
import type { ChatMessage, Deed, Edited, IncomingMessage, Reacted, ReadMark, Signal } from "./conversations.ts";
import type { GroupEvent, Presence } from "./people.ts";
import { ConnectionLost, NatterError } from "./errors.ts";
import { type Changed, type Credentials, type Goodbye, type LoginAck, Msg, type Reply, type Request, type Target } from "./protocol.ts";
import type { ClientEvents } from "./events.ts";
import { isChat, Requests, withText } from "./requests.ts";
import { Emitter, throwUncaught } from "./emitter.ts";
import { type Entry, Inbox } from "./inbox.ts";
import { Link, type Push } from "./link.ts";
import { fieldsOf, Outbox, type PendingSend, type Stored } from "./outbox.ts";
import type { Backoff } from "./reconnect.ts";
import { type ConnectionState, SessionKeeper } from "./session_keeper.ts";
import type { Connect } from "./transport.ts";

export * from "./conversations.ts";
export * from "./errors.ts";
export type { ClientEvents } from "./events.ts";
export * from "./people.ts";
export * from "./protocol.ts";
export type { PendingSend, Sent, Stored } from "./outbox.ts";
export type { Backoff } from "./reconnect.ts";
export type { ConnectionState } from "./session_keeper.ts";
export type { ClientTransport, Connect, TransportEvents } from "./transport.ts";

/** What a message may have besides its text. */
export interface SendOptions {
  /** Identifies it, unique among all messages of this user; made here unless given. */
  mid?: string | undefined;
  /** The message of the same conversation that it answers. */
  reply?: number | undefined;
  /** Nobody is to be disturbed by it. */
  silent?: boolean | undefined;
  /** Files of one's own that go with it, at most ten; then the text may be empty. */
  files?: number[] | undefined;
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
  /** How long connecting, logging in, or a request may take (ms). Default 20,000; a login behind one that took longer has up to three times that. */
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
export class NatterClient extends Requests implements AsyncDisposable {
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
    super();
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
    this.#inbox = new Inbox({
      heard: () => this.#emitter.listeners("message").length > 0,
      handOver: (entry) => this.#handOver(entry),
      failed: (cause) => {
        this.#link?.close(new ConnectionLost("lost", { cause }));
        throwUncaught(cause);
      },
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

  /**
   * Makes an account, on a connection of its own. `invite`: the code of an invitation, for servers that want one.
   * Rejects with {@linkcode NatterError} (1: the name is taken; 27: not without an invitation) or {@linkcode ConnectionLost}.
   */
  async register(name: string, password: string, invite?: string): Promise<{ id: number }> {
    const link = await Link.open(this.#connect, () => {}, this.#timeout);
    try {
      return { id: fieldsOrThrow(await link.request({ msgid: Msg.REGISTER, name, password, invite }, this.#timeout)).id as number };
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
   * @returns where it was stored. Rejects with {@linkcode NatterError} when the server will not have it, with {@linkcode ConnectionLost} when this client is closed.
   */
  chat(to: Target, msg: string, { mid = `${this.#midPrefix}-${++this.#lastMid}`, reply, silent, files }: SendOptions = {}): Promise<Stored> {
    // Without an owner it could go out in the name of whoever logs in next.
    if (this.state.state === "closed" || this.#owner === undefined) return Promise.reject(new ConnectionLost("closed"));
    return this.#outbox.add({ mid, to, msg, reply, silent, files });
  }

  /** Whether this very client sent a message that came by the log, under a `mid` that it made. */
  sentHere({ id, mid }: ChatMessage): boolean {
    return id === this.#owner && mid !== undefined && mid.startsWith(`${this.#midPrefix}-`);
  }

  /** Sends what is worth nothing later (`typing`). Dropped when offline. */
  signal(to: { id: number } | { groupid: number }, msg?: string): void {
    this.#link?.send({ msgid: Msg.SIGNAL, ...fieldsOf(to), msg });
  }

  /** Signs one of one's devices out, wherever it is; this client's own: as `logout()`. */
  async removeDevice(device: number): Promise<void> {
    if (device === this.#session?.device.id) return await this.logout();
    await this.request({ msgid: Msg.REMOVE_DEVICE, device });
  }

  /** Any request, on the present connection. Rejects with {@linkcode NatterError} if errno is not 0, with {@linkcode ConnectionLost} when offline or unanswered: it may have been done. */
  override async request(message: Request): Promise<Reply> {
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

  /** Tells who listens for it. */
  #handOver(entry: Entry): unknown[] {
    if (isChat(entry)) return this.#emitter.call("message", withText(entry as unknown as IncomingMessage));
    switch (entry.msgid) {
      case Msg.EDIT:
        return this.#emitter.call("edit", withText(entry as unknown as Edited));
      case Msg.DELETE:
        return this.#emitter.call("delete", entry as unknown as Deed);
      case Msg.GROUP_EVENT:
        return this.#emitter.call("group", entry as unknown as GroupEvent & { seq: number });
      case Msg.REACT:
        return this.#emitter.call("react", entry as unknown as Reacted);
      default:
        return this.#emitter.call("unknown", entry);
    }
  }

  #push(message: Push): void {
    // What is not known is confirmed all the same.
    if (typeof message.seq === "number") {
      if (isChat(message) && message.id === this.#owner) this.#outbox.came(message as unknown as IncomingMessage);
      return this.#inbox.receive(message as Entry & Push);
    }
    switch (message.msgid) {
      case Msg.READ:
        return this.#emitter.emit("read", message as unknown as ReadMark);
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
