/** Builds the parts of a server and joins them. */
import { within } from "./async/within.ts";
import { Accounts } from "./auth/accounts.ts";
import { Passwords } from "./auth/passwords.ts";
import { Appender } from "./chat/appender.ts";
import { Changes } from "./chat/changes.ts";
import { Confirmation } from "./chat/confirmation.ts";
import { Contacts } from "./chat/contacts.ts";
import { Delivery } from "./chat/delivery.ts";
import { Devices } from "./chat/devices.ts";
import { Groups } from "./chat/groups.ts";
import { History } from "./chat/history.ts";
import { Lists } from "./chat/lists.ts";
import { Chat } from "./chat/messages.ts";
import { PresenceNews } from "./chat/presence_news.ts";
import { Pushes } from "./chat/pushes.ts";
import { Retention, RETENTION_MS } from "./chat/retention.ts";
import { Signals } from "./chat/signals.ts";
import { Terms } from "./chat/terms.ts";
import { Ties } from "./chat/ties.ts";
import { Welcome } from "./chat/welcome.ts";
import { LocalHub } from "./cluster/local.ts";
import { type Handlers as NodeHandlers, type JoinBus, Router } from "./cluster/router.ts";
import type { Config } from "./config/config.ts";
import type { Handlers } from "./dispatcher.ts";
import { healthRoutes } from "./http/health.ts";
import { metricsRoutes } from "./http/metrics.ts";
import { Monitoring } from "./http/monitoring.ts";
import { pageRoutes } from "./http/page.ts";
import { Routes } from "./http/routes.ts";
import { type Certificate, readCertificate } from "./net/certificate.ts";
import { type Addresses, type Answering, Listeners } from "./net/listeners.ts";
import { Patience } from "./net/patience.ts";
import { Strangers } from "./net/strangers.ts";
import { nodeCrypto } from "./node_crypto.ts";
import { Counters } from "./ops/counters.ts";
import { Limits } from "./ops/limits.ts";
import { log } from "./ops/log.ts";
import { TrustedTime } from "./ops/trusted_time.ts";
import { ConnectionTable } from "./presence/connection_table.ts";
import { Connections } from "./presence/connections.ts";
import { Departure } from "./presence/departure.ts";
import { Farewell } from "./presence/farewell.ts";
import { Heartbeat } from "./presence/heartbeat.ts";
import { Login } from "./presence/login.ts";
import { KICKS_MS, LEASE_MS, NodeLife, type NodeTimes, RECONCILE_MS, RENEW_MS } from "./presence/node_life.ts";
import { OfflineWriter } from "./presence/offline_writer.ts";
import { RemoteHolders } from "./presence/remote_holders.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";

/** How long a stop may take to say goodbye, to store what waits (twice), and to set users offline (ms). `natter serve` waits 9 s for all of it. */
const GOODBYE_MS = 2000, STORE_MS = 2000, OFFLINE_MS = 4000;
const DAY_MS = 24 * 3600_000;
/** Those who have not logged in may hold this part of all connections. */
const STRANGERS = 1 / 4;

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

class NatterServer implements Server {
  readonly failed: Promise<never>;
  readonly #config: Config;
  readonly #store: Store;
  readonly #times: NodeTimes & { retention: number };
  readonly #tokenLife: number;
  readonly #limits: Limits;
  readonly #time = new TrustedTime();
  readonly #table = new ConnectionTable();
  readonly #router: Router;
  readonly #offline: OfflineWriter;
  readonly #news: PresenceNews;
  readonly #delivery: Delivery;
  readonly #confirmation: Confirmation;
  readonly #appender: Appender;
  readonly #heartbeat: Heartbeat;
  readonly #login: Login;
  readonly #node: NodeLife;
  readonly #connections: Connections;
  readonly #monitoring: Monitoring;
  /** What becomes of requests, and of what other nodes say. */
  readonly #handlers: Handlers;
  readonly #nodeHandlers: NodeHandlers;
  #listeners: Listeners | undefined;
  #retention: Retention | undefined;
  #closing: Promise<boolean> | undefined;

  constructor(config: Config, store: Store, overrides: Overrides) {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.failed = failed.promise;
    this.#config = config;
    this.#store = store;
    this.#times = { renew: RENEW_MS, lease: LEASE_MS, kicks: KICKS_MS, reconcile: RECONCILE_MS, retention: RETENTION_MS, ...overrides.times };
    const { onConflict, maxDevices, directory } = config;
    const tokenLife = this.#tokenLife = config.tokenDays * DAY_MS;
    const table = this.#table;
    const passwords = overrides.passwords ?? new Passwords();
    const limits = this.#limits = new Limits(config.limits);
    const time = this.#time;
    const counters = new Counters();
    const router = this.#router = new Router(config.node);
    const pushes = new Pushes();
    const ties = new Ties();
    const lists = new Lists(store);
    const offline = this.#offline = new OfflineWriter(store);
    const confirmation = this.#confirmation = new Confirmation(store);
    const news = this.#news = new PresenceNews({ store, table, router, pushes }, overrides.times?.news);
    const departure = new Departure({ table, offline, listener: news, counters, unconfirmed: (session) => confirmation.unconfirmed(session) });
    const farewell = new Farewell(departure, config.maxLine);
    const end = farewell.end.bind(farewell);
    const most = config.maxConnections;
    const strangers = new Strangers(Math.max(1, Math.floor(most * STRANGERS)), (connection) => farewell.cut(connection, "full"));
    const delivery = this.#delivery = new Delivery({ store, table, confirmation, tooSlow: (session) => end(session, "slow") });
    const appender = this.#appender = new Appender(store, router, counters);
    const signals = new Signals({ store, table, router, ties });
    const changes = new Changes({ store, router, table, ties, signals, pushes });
    const remote = new RemoteHolders(store, router);
    const fenced = () => this.#node.renewSoon();
    const shared = { store, table, router, offline, listener: news, end };
    const login = this.#login = new Login({ ...shared, onConflict, maxDevices, tokenLife, passwords, limits, time, remote, fenced });
    const fatal = (error: Error) => void this.close().then(() => failed.reject(error));
    this.#node = new NodeLife({ ...shared, login, times: this.#times, noticed: (session, last) => delivery.noticed(session, last), fatal });
    const welcome = new Welcome({ store, time, delivery, confirmation, lists, news, pushes, ties, terms: new Terms(config), tokenLife });
    const devices = new Devices({ store, strangers, login, welcome, departure, appender, changes, router, counters });
    const heartbeat = this.#heartbeat = new Heartbeat(
      config.heartbeat * 1000,
      config.loginTimeout * 1000,
      (connection, cause) => farewell.cut(connection, cause),
    );
    const parting = (session: Parameters<typeof end>[0]) => {
      confirmation.acted(session);
      return appender.answered(session);
    };
    const connections = this.#connections = new Connections({ most, strangers, limits, heartbeat, farewell, departure, parting });
    this.#monitoring = new Monitoring({ database: () => store.ping(), bus: () => router.ping() }, {
      counters,
      connections: () => connections,
      maxConnections: config.maxConnections,
      sessions: () => table.size,
      delivered: () => delivery.delivered,
      offlineBacklog: () => offline.backlog,
      certificateEnds: () => this.#listeners?.certificateEnds,
    });
    this.#handlers = {
      accounts: new Accounts({ store, passwords, limits, ended: (ended) => devices.ended(ended) }),
      chat: new Chat(store, appender),
      contacts: new Contacts({ store, lists, changes, news, directory }),
      groups: new Groups(store, lists, changes),
      history: new History(store),
      signals,
      confirmation,
      limits,
      devices,
      patience: new Patience((connection) => farewell.cut(connection, "limits"), overrides.times?.rest),
      badInput: (connection) => farewell.cut(connection, "badinput"),
    };
    this.#nodeHandlers = {
      deliver: (message) => delivery.stored(message),
      presence: (message) => news.heard(message),
      signal: (message) => signals.heard(message),
      changed: (message) => changes.heard(message),
      probe: (message) => void remote.asked(message, table, login.turns),
      probed: (message) => remote.answered(message),
      ended: ({ key, cause }) => login.ended(key, cause),
    };
  }

  /** Joins the bus and opens all listeners. Throws {@linkcode ListenError}. */
  async listen(joinBus: JoinBus, certificate: Certificate | undefined): Promise<void> {
    this.#router.join(joinBus, this.#nodeHandlers, () => this.#node.reconcileSoon());
    const monitoring = this.#monitoring;
    const page = new Routes([...healthRoutes(() => monitoring.lacks()), ...metricsRoutes(() => monitoring.measure(), true), ...pageRoutes()]);
    const metrics = new Routes(metricsRoutes(() => monitoring.measure(), false));
    const answering: Answering = { page: (request) => page.answer(request), metrics: (request) => metrics.answer(request) };
    this.#listeners = await Listeners.open({ config: this.#config, certificate, handler: this.#connections, answering, limits: this.#limits });
  }

  /** Sets going what needs no client to begin, and lets requests in. After {@linkcode NatterServer.listen}. */
  async begin(): Promise<void> {
    const { keepDays } = this.#config;
    this.#heartbeat.start();
    this.#node.start();
    this.#retention = new Retention(this.#store, this.#time, { tokenLife: this.#tokenLife, keepDays, interval: this.#times.retention });
    const [{ Dispatcher }] = await Promise.all([import("./dispatcher.ts"), this.#listeners!.accept()]);
    const dispatcher = new Dispatcher(this.#handlers);
    this.#connections.begin((connection, line) => dispatcher.dispatch(connection, line));
    // Every login needs it; loaded now, the first one need not wait for it.
    nodeCrypto();
  }

  get addresses(): Addresses {
    return this.#listeners!.addresses;
  }

  async renewCertificate(): Promise<void> {
    await this.#listeners?.renewCertificate();
  }

  close(): Promise<boolean> {
    this.#connections.refuseMore();
    return this.#closing ??= this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<boolean> {
    await this.#listeners?.stopAccepting();
    await Promise.all([this.#node.close(), this.#retention?.close()]);
    await within(this.#appender.idle(), STORE_MS);
    await within(this.#connections.stop(), GOODBYE_MS);
    this.#connections.destroy();
    await this.#listeners?.close();
    await within(Promise.all([this.#appender.idle(), this.#login.turns.idle()]), STORE_MS);
    await this.#monitoring.close();
    this.#heartbeat.close();
    this.#confirmation.close();
    this.#delivery.close();
    await this.#news.close();
    await this.#table.close();
    const clean = await this.#offline.close(OFFLINE_MS);
    await this.#router.close();
    await this.#store.leave().catch((error) => log.warning("the lease was not given up", { error }));
    await this.#store.close();
    return clean;
  }
}
