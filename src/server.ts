/** Builds the parts of a server and joins them. */
import { Accounts } from "./auth/accounts.ts";
import { Passwords } from "./auth/passwords.ts";
import { Appender } from "./chat/appender.ts";
import { Confirmation } from "./chat/confirmation.ts";
import { Contacts } from "./chat/contacts.ts";
import { Delivery } from "./chat/delivery.ts";
import { Groups } from "./chat/groups.ts";
import { History } from "./chat/history.ts";
import { Chat } from "./chat/messages.ts";
import { PresenceNews } from "./chat/presence_news.ts";
import { Signals } from "./chat/signals.ts";
import { Welcome } from "./chat/welcome.ts";
import type { Address, Config } from "./config.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Cause, Connection } from "./net/connection.ts";
import type { LineHandler } from "./net/line_handler.ts";
import { listen } from "./net/listen.ts";
import { serveTcp } from "./net/tcp.ts";
import { log } from "./ops/log.ts";
import { ConnectionTable } from "./presence/connection_table.ts";
import { Departure } from "./presence/departure.ts";
import { Heartbeat } from "./presence/heartbeat.ts";
import { Login } from "./presence/login.ts";
import { NodeLife, type NodeTimes, RECONCILE_MS, RENEW_MS } from "./presence/node_life.ts";
import { OfflineWriter } from "./presence/offline_writer.ts";
import type { Session } from "./presence/session.ts";
import type { Store, StoreLimits } from "./store/store.ts";
import { Errno } from "./wire/errors.ts";
import type { Fault } from "./wire/lines.ts";
import { Msg, type Ref, type Request } from "./wire/messages.ts";
import { within } from "./within.ts";

/** Most groups and most friends of a user: their lists go out at every login. */
const MAX_CONTACTS = 1000;
/** How long a stop may take to say goodbye, to store what waits, and to set users offline (ms); with what follows it stays below 10 s. */
const GOODBYE_MS = 2000, STORE_MS = 2000, OFFLINE_MS = 4000;
/** A client cut by the server is asked to come back after this long (ms), and up to as much again, so that not all come at once. */
const RETRY_MS = 500;

/** A running server. */
export interface Server extends AsyncDisposable {
  /** Where it listens, with the port that was picked. */
  readonly address: Address;
  /** Rejects when the server cannot go on: another process has its name. It has stopped then. */
  readonly failed: Promise<never>;
  /** Stops in order: GOODBYE, flush, users offline. Resolves to whether no user was left online. */
  close(): Promise<boolean>;
}

/** What a test may put in place of the real thing. */
export interface Overrides {
  /** Wraps the store, to hold its steps open or to count them. */
  store?: (store: Store) => Store;
  passwords?: Passwords;
  times?: Partial<NodeTimes>;
}

/**
 * Opens the database, takes the node's name, sets users of a former life offline, and listens.
 * Throws {@linkcode StoreRefused}, {@linkcode StoreUnavailable} or {@linkcode ListenError}.
 */
export async function start(config: Config, overrides: Overrides = {}): Promise<Server> {
  const opened = await openStore(config);
  const store = overrides.store?.(opened) ?? opened;
  try {
    const left = await store.join(config.node);
    if (left > 0) log.warning("users that a former life had left online are offline now", { users: left });
    return new NatterServer(config, store, overrides);
  } catch (error) {
    await store.leave().catch(() => {});
    await store.close();
    throw error;
  }
}

async function openStore(config: Config): Promise<Store> {
  const limits: StoreLimits = { maxGroup: config.maxGroup, maxInbox: config.maxInbox, maxContacts: MAX_CONTACTS };
  if (config.database.kind === "sqlite") return await (await import("./store/sqlite.ts")).openSqlite(config.database.path, limits);
  return await (await import("./store/mysql.ts")).openMysql(config.database.url, limits);
}

class NatterServer implements Server, LineHandler {
  readonly address: Address;
  readonly failed: Promise<never>;
  readonly #config: Config;
  readonly #store: Store;
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Connection>();
  readonly #table = new ConnectionTable();
  readonly #offline: OfflineWriter;
  readonly #news: PresenceNews;
  readonly #departure: Departure;
  readonly #delivery: Delivery;
  readonly #confirmation: Confirmation;
  readonly #appender: Appender;
  readonly #heartbeat: Heartbeat;
  readonly #login: Login;
  readonly #welcome: Welcome;
  readonly #node: NodeLife;
  readonly #dispatcher: Dispatcher;
  #accepting: Promise<void>;
  #closing: Promise<boolean> | undefined;

  constructor(config: Config, store: Store, overrides: Overrides) {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.failed = failed.promise;
    this.#config = config;
    this.#store = store;
    // First, so that a port in use is noticed before anything runs.
    this.#listener = listen(config.listen);
    const { hostname, port } = this.#listener.addr;
    this.address = { hostname, port };

    const table = this.#table;
    const passwords = overrides.passwords ?? new Passwords();
    this.#offline = new OfflineWriter(store);
    this.#news = new PresenceNews(store, table);
    this.#departure = new Departure(table, this.#offline, this.#news);
    this.#delivery = new Delivery(store);
    this.#confirmation = new Confirmation(store);
    this.#appender = new Appender(store, table, this.#delivery);
    this.#heartbeat = new Heartbeat(config.heartbeat * 1000, config.loginTimeout * 1000, (connection, cause) => this.#cut(connection, cause));
    const shared = { store, table, departure: this.#departure, offline: this.#offline };
    this.#login = new Login({ ...shared, node: config.node, onConflict: config.onConflict, passwords, listener: this.#news });
    this.#welcome = new Welcome({
      store,
      delivery: this.#delivery,
      confirmation: this.#confirmation,
      greeting: { heartbeat: config.heartbeat, limits: { line: config.maxLine, group: config.maxGroup } },
    });
    this.#node = new NodeLife({
      ...shared,
      turns: this.#login.turns,
      times: { renew: RENEW_MS, reconcile: RECONCILE_MS, ...overrides.times },
      lose: (session) => this.#lose(session),
      noticed: (session, lastSeq) => this.#delivery.noticed(session, lastSeq),
      fatal: (error) => void this.close().then(() => failed.reject(error)),
    });
    const groups = new Groups(store);
    this.#dispatcher = new Dispatcher({
      accounts: new Accounts(store, passwords),
      chat: new Chat(store, this.#appender),
      contacts: new Contacts(store),
      groups,
      history: new History(store),
      signals: new Signals(store, table, groups),
      confirmation: this.#confirmation,
      login: (connection, request, ref) => this.#logIn(connection, request, ref),
      logout: (session) => this.#logOut(session),
      badInput: (connection) => this.#cut(connection, "badinput"),
    });
    this.#node.start();
    this.#accepting = this.#accept();
  }

  line(connection: Connection, line: string): void | Promise<void> {
    return this.#dispatcher.dispatch(connection, line);
  }

  fault(connection: Connection, fault: Fault): void {
    const errno = fault === "too long" ? Errno.TOO_LONG : Errno.NOT_JSON;
    const errmsg = fault === "too long" ? `the line is longer than ${this.#config.maxLine} bytes` : "not UTF-8";
    connection.send({ msgid: Msg.REPLY, errno, errmsg });
    this.#cut(connection, "badinput");
  }

  async end(connection: Connection): Promise<void> {
    const { session } = connection;
    session?.acted?.();
    while (session && session.unanswered > 0) await this.#appender.idle();
    await connection.finish("fin");
  }

  close(): Promise<boolean> {
    return this.#closing ??= this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #accept(): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.#closing) return;
        // A client that went away between SYN and accept, or no file descriptor left: those connected are served on.
        log.warning("accepting a connection failed", { error });
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      const connection = serveTcp(conn, this.#config, this);
      this.#connections.add(connection);
      void connection.closed.then(() => this.#gone(connection));
      if (this.#connections.size > this.#config.maxConnections) this.#cut(connection, "full");
      else this.#heartbeat.add(connection);
    }
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection);
    if (connection.session) void this.#departure.depart(connection.session, connection.cause ?? "lost");
    else log.departure({ cause: connection.cause ?? "lost", address: connection.address, duration: performance.now() - connection.since });
  }

  async #logIn(connection: Connection, request: Request<typeof Msg.LOGIN>, ref: Ref | undefined): Promise<void> {
    const login = await this.#login.login(connection, request);
    try {
      await this.#welcome.welcome(login, ref, request.token);
    } catch (error) {
      await this.#departure.depart(login.session, "lost");
      throw error;
    }
  }

  async #logOut(session: Session): Promise<void> {
    if (session.tokenHash) await this.#store.removeToken(session.tokenHash);
    await this.#departure.depart(session, "logout");
    session.connection.anonymousSince = performance.now();
  }

  /** Ends a connection that breaks the rules, or is not heard of. */
  #cut(connection: Connection, cause: Cause): void {
    const comesBack = cause === "silent" || cause === "slow" || cause === "full" || cause === "stopping";
    const goodbye = { msgid: Msg.GOODBYE, reason: cause, ...(comesBack ? { retry: Math.round(RETRY_MS * (1 + Math.random())) } : {}) };
    // The session ends now, not when the last line has gone out: a silent client takes none.
    if (connection.session) void this.#departure.depart(connection.session, cause);
    void connection.finish(cause, connection.classic ? undefined : goodbye);
  }

  /** This session's row names another by now. */
  #lose(session: Session): void {
    void this.#departure.depart(session, "lost", true);
    this.#cut(session.connection, "replaced");
  }

  async #close(): Promise<boolean> {
    this.#listener.close();
    await this.#accepting;
    await this.#node.close();
    await within(this.#appender.idle(), STORE_MS);
    const all = [...this.#connections];
    for (const connection of all) this.#cut(connection, "stopping");
    await within(Promise.all(all.map((connection) => connection.closed)), GOODBYE_MS);
    for (const connection of this.#connections) connection.destroy("stopping");
    await within(this.#appender.idle(), STORE_MS);
    this.#heartbeat.close();
    this.#confirmation.close();
    this.#delivery.close();
    await this.#news.close();
    await this.#table.close();
    const clean = await this.#offline.close(OFFLINE_MS);
    await this.#store.leave().catch((error) => log.warning("the lease was not given up", { error }));
    await this.#store.close();
    return clean;
  }
}
