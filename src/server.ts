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
import { Retention, RETENTION_MS } from "./chat/retention.ts";
import { Signals } from "./chat/signals.ts";
import { Welcome } from "./chat/welcome.ts";
import type { Bus, BusListener } from "./cluster/bus.ts";
import { LocalHub } from "./cluster/local.ts";
import type { Config } from "./config.ts";
import type { Dispatcher, Handlers } from "./dispatcher.ts";
import { healthRoutes } from "./http/health.ts";
import { metricsRoutes, type MetricsText } from "./http/metrics.ts";
import { pageRoutes } from "./http/page.ts";
import { Router } from "./http/router.ts";
import { Shared } from "./http/shared.ts";
import { type Certificate, readCertificate } from "./net/certificate.ts";
import type { Cause, Connection } from "./net/connection.ts";
import type { LineHandler } from "./net/line_handler.ts";
import { type Addresses, type Answering, Listeners } from "./net/listeners.ts";
import { Patience } from "./net/patience.ts";
import { Strangers } from "./net/strangers.ts";
import { Counters } from "./ops/counters.ts";
import { Limits } from "./ops/limits.ts";
import { log } from "./ops/log.ts";
import type { Metrics } from "./http/metrics_text.ts";
import { Readiness } from "./ops/readiness.ts";
import { TrustedTime } from "./ops/trusted_time.ts";
import { nodeCrypto } from "./node_crypto.ts";
import { Peers } from "./peers.ts";
import { ConnectionTable } from "./presence/connection_table.ts";
import { Departure } from "./presence/departure.ts";
import { Heartbeat } from "./presence/heartbeat.ts";
import { Login } from "./presence/login.ts";
import { KICKS_MS, LEASE_MS, NodeLife, type NodeTimes, RECONCILE_MS, RENEW_MS } from "./presence/node_life.ts";
import { OfflineWriter } from "./presence/offline_writer.ts";
import { RemoteHolders } from "./presence/remote_holders.ts";
import type { Session } from "./presence/session.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";
import { Errno, Refusal } from "./wire/errors.ts";
import type { Fault } from "./wire/lines.ts";
import type { Ref, Request } from "./wire/messages.ts";
import { Msg } from "./wire/msgid.ts";
import { within } from "./within.ts";

/** How long a stop may take to say goodbye, to store what waits (twice), and to set users offline (ms). `natter serve` waits 9 s for all of it. */
const GOODBYE_MS = 2000, STORE_MS = 2000, OFFLINE_MS = 4000;
/** How long those who ask over HTTP are told the same of how the server is, and of what it counts (ms). */
const READY_FOR_MS = 500, METRICS_FOR_MS = 250;
/** Those who have not logged in may hold this part of all connections. */
const STRANGERS = 1 / 4;
/** So many connections too many are told why they end; further ones are just closed. */
const ON_THEIR_WAY_OUT = 256;
/** A client cut by the server is asked to come back after this long (ms), and up to as much again, so that not all come at once. */
const RETRY_MS = 500;

/** A running server. */
export interface Server extends AsyncDisposable {
  /** Where it listens, with the ports that were picked. */
  readonly addresses: Readonly<Addresses>;
  /** Rejects when the server cannot go on: another process has its name. It has stopped then. */
  readonly failed: Promise<never>;
  /** Stops in order: GOODBYE, flush, users offline. Resolves to whether no user was left online. */
  close(): Promise<boolean>;
  /** Reads the certificate again, for handshakes from now on. Throws {@linkcode ConfigError} if it cannot be used; then the old one stays. */
  renewCertificate(): Promise<void>;
}

/** What a test may put in place of the real thing. */
export interface Overrides {
  /** Wraps the store, to hold its steps open or to count them. */
  store?: (store: Store) => Store;
  /** Cheaper hashing, say. */
  passwords?: Passwords;
  /** Shorter waits (ms). */
  times?: Partial<NodeTimes & { retention: number; news: number; name: number; rest: number }>;
  /** Another way to the other nodes. */
  bus?: JoinBus;
}

/** How a node joins its bus. */
export type JoinBus = (node: string, listener: BusListener) => Bus;

/**
 * Opens the database, takes the node's name, sets users of a former life offline, and listens.
 *
 * `ready` is told when connections are accepted. What only their first line needs is loaded after that; whoever is so fast waits the rest of it.
 *
 * Throws {@linkcode ConfigError} (the certificate), {@linkcode StoreRefused}, {@linkcode StoreUnavailable} or {@linkcode ListenError}.
 */
export async function start(config: Config, overrides: Overrides = {}, ready: (addresses: Addresses) => void = () => {}): Promise<Server> {
  const certificate = await readCertificate(config);
  const opened = await openStore(config);
  const store = overrides.store?.(opened) ?? opened;
  try {
    const left = await store.join(config.node, overrides.times?.name);
    if (left > 0) log.warning("users that a former life had left online are offline now", { users: left });
  } catch (error) {
    await store.close();
    throw error;
  }
  const server = new NatterServer(config, store, overrides);
  try {
    await server.listen(overrides.bus ?? await busOf(config), certificate);
    ready(server.addresses);
    await server.begin();
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

/** Without Redis a node is alone on its bus. */
async function busOf({ redis, database }: Config): Promise<JoinBus> {
  if (!redis) return (node, listener) => new LocalHub().join(node, listener);
  const { joinRedis } = await import("./cluster/redis.ts");
  // Clusters on one Redis are told apart by the name of their database.
  const name = database.kind === "mysql" ? new URL(database.url).pathname.slice(1) : database.path;
  return (node, listener) => joinRedis(redis, `natter:${name}:`, node, listener);
}

class NatterServer implements Server, LineHandler {
  readonly failed: Promise<never>;
  readonly #config: Config;
  readonly #store: Store;
  readonly #limits: Limits;
  #listeners: Listeners | undefined;
  readonly #connections = new Set<Connection>();
  readonly #strangers: Strangers;
  readonly #counters = new Counters();
  #metrics: Promise<Metrics> | undefined;
  readonly #lacks: Shared<string | undefined>;
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
  #retention: Retention | undefined;
  readonly #retentionInterval: number;
  readonly #time = new TrustedTime();
  readonly #handlers: Handlers;
  #dispatcher: Dispatcher | undefined;
  readonly #begun = Promise.withResolvers<void>();
  readonly #peers: Peers;
  /** Those who send to other nodes. */
  readonly #talkers: { use(bus: Bus): void }[];
  #bus: Bus | undefined;
  #closing: Promise<boolean> | undefined;

  constructor(config: Config, store: Store, overrides: Overrides) {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.failed = failed.promise;
    this.#config = config;
    this.#store = store;
    this.#limits = new Limits(config.limits);
    this.#strangers = new Strangers(Math.max(1, Math.floor(config.maxConnections * STRANGERS)));
    const readiness = new Readiness({ database: () => store.ping(), bus: async () => await this.#bus?.ping() });
    this.#lacks = new Shared(() => readiness.look(), READY_FOR_MS);
    const table = this.#table;
    const passwords = overrides.passwords ?? new Passwords();
    this.#offline = new OfflineWriter(store);
    this.#news = new PresenceNews(store, table, config.node, overrides.times?.news);
    this.#departure = new Departure(table, this.#offline, this.#news, this.#counters);
    this.#delivery = new Delivery(store);
    this.#confirmation = new Confirmation(store);
    this.#appender = new Appender(store, table, this.#delivery, config.node, this.#counters);
    this.#heartbeat = new Heartbeat(config.heartbeat * 1000, config.loginTimeout * 1000, (connection, cause) => this.#cut(connection, cause));
    const remote = new RemoteHolders(config.node, store);
    const replaced = (session: Session) => this.#replaced(session);
    const shared = { store, table, offline: this.#offline, replaced };
    this.#login = new Login({
      ...shared,
      node: config.node,
      onConflict: config.onConflict,
      passwords,
      listener: this.#news,
      limits: this.#limits,
      time: this.#time,
      remote,
      fenced: () => this.#node.renewSoon(),
    });
    this.#welcome = new Welcome({
      store,
      time: this.#time,
      delivery: this.#delivery,
      confirmation: this.#confirmation,
      greeting: { heartbeat: config.heartbeat, limits: { line: config.maxLine, group: config.maxGroup } },
    });
    this.#node = new NodeLife({
      ...shared,
      turns: this.#login.turns,
      times: { renew: RENEW_MS, lease: LEASE_MS, kicks: KICKS_MS, reconcile: RECONCILE_MS, ...overrides.times },
      listener: this.#news,
      kicked: (session) => this.#cut(session.connection, "kicked"),
      noticed: (session, lastSeq) => this.#delivery.noticed(session, lastSeq),
      fatal: (error) => void this.close().then(() => failed.reject(error)),
    });
    const groups = new Groups(store);
    const signals = new Signals(store, table, groups, config.node);
    const { turns } = this.#login;
    this.#peers = new Peers({ table, turns, delivery: this.#delivery, news: this.#news, signals, remote, node: this.#node, replaced });
    this.#talkers = [remote, this.#news, signals, this.#appender];
    this.#handlers = {
      accounts: new Accounts(store, passwords, this.#limits),
      chat: new Chat(store, this.#appender),
      contacts: new Contacts(store),
      groups,
      history: new History(store),
      signals,
      confirmation: this.#confirmation,
      limits: this.#limits,
      patience: new Patience((connection) => this.#cut(connection, "limits"), overrides.times?.rest),
      login: (connection, request, ref) => this.#logIn(connection, request, ref),
      logout: (session) => this.#logOut(session),
      badInput: (connection) => this.#cut(connection, "badinput"),
    };
    this.#retentionInterval = overrides.times?.retention ?? RETENTION_MS;
  }

  /** Joins the bus and opens all listeners. Throws {@linkcode ListenError}. */
  async listen(joinBus: JoinBus, certificate: Certificate | undefined): Promise<void> {
    this.#bus = joinBus(this.#config.node, this.#peers);
    for (const talker of this.#talkers) talker.use(this.#bus);
    const measure = new Shared(() => this.#measure(), METRICS_FOR_MS);
    const page = new Router([...healthRoutes(() => this.#lacks.get()), ...metricsRoutes(() => measure.get(), true), ...pageRoutes()]);
    const metrics = new Router(metricsRoutes(() => measure.get(), false));
    const answering: Answering = { page: (request) => page.answer(request), metrics: (request) => metrics.answer(request) };
    this.#listeners = await Listeners.open({ config: this.#config, certificate, handler: this, answering, limits: this.#limits });
  }

  /** Sets going what needs no client to begin, and lets requests in. After {@linkcode NatterServer.listen}. */
  async begin(): Promise<void> {
    this.#heartbeat.start();
    this.#node.start();
    this.#retention = new Retention(this.#store, this.#config.keepDays, this.#retentionInterval, this.#time);
    const [{ Dispatcher }] = await Promise.all([import("./dispatcher.ts"), this.#listeners!.accept()]);
    this.#dispatcher = new Dispatcher(this.#handlers);
    this.#begun.resolve();
    // Every login needs it; loaded now, the first one need not wait for it.
    nodeCrypto();
  }

  get addresses(): Addresses {
    return this.#listeners!.addresses;
  }

  async renewCertificate(): Promise<void> {
    await this.#listeners?.renewCertificate();
  }

  opened(connection: Connection): void {
    this.#connections.add(connection);
    const { address } = connection;
    const welcome = this.#limits.connected(address);
    void connection.closed.then(() => {
      this.#limits.disconnected(address);
      this.#gone(connection);
    });
    const { maxConnections } = this.#config;
    const over = this.#connections.size - maxConnections;
    if (over > ON_THEIR_WAY_OUT) return connection.destroy("full");
    if (!welcome) return this.#cut(connection, "limits");
    if (this.#closing) return this.#cut(connection, "stopping");
    this.#heartbeat.add(connection);
    this.#makeRoom(this.#strangers.add(connection, over > 0));
  }

  #makeRoom(stranger: Connection | undefined): void {
    if (stranger) this.#cut(stranger, "full");
  }

  line(connection: Connection, line: string): void | Promise<void> {
    if (this.#dispatcher) return this.#dispatcher.dispatch(connection, line);
    return this.#begun.promise.then(() => connection.ending ? undefined : this.line(connection, line));
  }

  fault(connection: Connection, fault: Fault | "framing"): void {
    if (fault === "framing") return this.#cut(connection, "badinput");
    const errno = fault === "too long" ? Errno.TOO_LONG : Errno.NOT_JSON;
    const errmsg = fault === "too long" ? `the line is longer than ${this.#config.maxLine} bytes` : "not UTF-8";
    connection.send({ msgid: Msg.REPLY, errno, errmsg });
    this.#cut(connection, "badinput");
  }

  async end(connection: Connection): Promise<void> {
    const { session } = connection;
    session?.acted?.();
    if (session) await this.#appender.answered(session);
    await connection.finish("fin");
  }

  close(): Promise<boolean> {
    return this.#closing ??= this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection);
    this.#strangers.delete(connection);
    if (connection.session) void this.#departure.depart(connection.session, connection.cause ?? "lost");
    else log.departure({ cause: connection.cause ?? "lost", address: connection.address, duration: performance.now() - connection.since });
  }

  async #logIn(connection: Connection, request: Request<typeof Msg.LOGIN>, ref: Ref | undefined): Promise<void> {
    const { logins } = this.#counters;
    const login = await this.#login.login(connection, request).catch((error) => {
      logins.add(error instanceof Refusal ? String(error.errno) : "failed");
      throw error;
    });
    this.#strangers.delete(connection);
    try {
      await this.#welcome.welcome(login, ref, request.token);
      logins.add("ok");
    } catch (error) {
      logins.add("failed");
      await this.#departure.depart(login.session, "lost");
      if (!connection.ending) this.#makeRoom(this.#strangers.add(connection));
      throw error;
    }
  }

  async #logOut(session: Session): Promise<void> {
    await this.#appender.answered(session);
    if (session.tokenHash) await this.#store.removeToken(session.tokenHash);
    await this.#departure.depart(session, "logout");
    const { connection } = session;
    connection.anonymousSince = performance.now();
    if (!connection.ending) this.#makeRoom(this.#strangers.add(connection));
  }

  async #measure(): Promise<MetricsText> {
    this.#metrics ??= import("./http/metrics_text.ts").then(({ Metrics }) =>
      new Metrics({
        counters: this.#counters,
        connections: () => this.#connections,
        maxConnections: this.#config.maxConnections,
        sessions: () => this.#table.size,
        delivered: () => this.#delivery.delivered,
        offlineBacklog: () => this.#offline.backlog,
      })
    );
    const ready = await this.#lacks.get() === undefined;
    return (await this.#metrics).text(ready);
  }

  /** Ends a connection that breaks the rules, or is not heard of. */
  #cut(connection: Connection, cause: Cause): void {
    const comesBack = cause === "silent" || cause === "slow" || cause === "full" || cause === "stopping" || cause === "limits";
    const goodbye = { msgid: Msg.GOODBYE, reason: cause, ...(comesBack ? { retry: Math.round(RETRY_MS * (1 + Math.random())) } : {}) };
    // The session ends now, not when the last line has gone out: a silent client takes none.
    if (connection.session) void this.#departure.depart(connection.session, cause);
    void connection.finish(cause, connection.classic ? undefined : goodbye);
  }

  /** This session's row names another by now. */
  #replaced(session: Session): void {
    void this.#departure.depart(session, "replaced", true);
    this.#cut(session.connection, "replaced");
  }

  async #close(): Promise<boolean> {
    await this.#listeners?.stopAccepting();
    await Promise.all([this.#node.close(), this.#retention?.close()]);
    await within(this.#appender.idle(), STORE_MS);
    const all = [...this.#connections];
    for (const connection of all) this.#cut(connection, "stopping");
    await within(Promise.all(all.map((connection) => connection.closed)), GOODBYE_MS);
    for (const connection of this.#connections) connection.destroy("stopping");
    await this.#listeners?.close();
    await within(Promise.all([this.#appender.idle(), this.#login.turns.idle()]), STORE_MS);
    (await this.#metrics)?.close();
    this.#heartbeat.close();
    this.#confirmation.close();
    this.#delivery.close();
    await this.#news.close();
    await this.#table.close();
    const clean = await this.#offline.close(OFFLINE_MS);
    await this.#bus?.close();
    await this.#store.leave().catch((error) => log.warning("the lease was not given up", { error }));
    await this.#store.close();
    return clean;
  }
}
