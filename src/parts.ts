/** Builds the parts of a server and joins them. */
import { DAY_MS } from "./async/pause.ts";
import { Doorbell } from "./async/doorbell.ts";
import { quiet } from "./async/loop.ts";
import { within } from "./async/within.ts";
import { Accounts } from "./auth/accounts.ts";
import { Passwords } from "./auth/passwords.ts";
import { Appender } from "./chat/appender.ts";
import { Changes } from "./chat/changes.ts";
import { Confirmation } from "./chat/confirmation.ts";
import { Contacts } from "./chat/contacts.ts";
import { Deeds } from "./chat/deeds.ts";
import { Delivery } from "./chat/delivery.ts";
import { Devices } from "./chat/devices.ts";
import { Moderation } from "./chat/moderation.ts";
import { GroupNews } from "./chat/group_news.ts";
import { Groups } from "./chat/groups.ts";
import { History } from "./chat/history.ts";
import { Hooks } from "./chat/hooks.ts";
import { Invitations } from "./chat/invitations.ts";
import { DeletedAccounts, LEAVERS_MS } from "./chat/deleted_accounts.ts";
import { Lists } from "./chat/lists.ts";
import { Sending } from "./chat/sending.ts";
import { NEWS_DELAY_MS, PresenceNews } from "./chat/presence_news.ts";
import { PushSettings } from "./chat/push_settings.ts";
import { Profiles } from "./chat/profiles.ts";
import { Reports } from "./chat/reports.ts";
import { Pushes } from "./chat/pushes.ts";
import { Quota, QUOTA_COUNT_MS, QUOTA_FLUSH_MS, type QuotaTimes } from "./chat/quota.ts";
import { Reading } from "./chat/reading.ts";
import { Retention, RETENTION_MS } from "./chat/retention.ts";
import { Finder } from "./chat/search.ts";
import { Signals } from "./chat/signals.ts";
import { Terms } from "./chat/terms.ts";
import { LostNews } from "./chat/lost_news.ts";
import { Ties } from "./chat/ties.ts";
import { Welcome } from "./chat/welcome.ts";
import { LocalHub } from "./cluster/local.ts";
import { type Handlers as NodeHandlers, type JoinBus, Router } from "./cluster/router.ts";
import type { Config } from "./config/config.ts";
import type { Handlers } from "./dispatcher.ts";
import type { Folder } from "./files/folder.ts";
import type { Site } from "./http/site.ts";
import { SWEEP_MS, Sweeper } from "./files/sweeper.ts";
import type { Addresses, Listeners } from "./net/listeners.ts";
import { Patience } from "./net/patience.ts";
import { Strangers } from "./net/strangers.ts";
import { Notifier, SUBSCRIPTIONS_MS } from "./push/notifier.ts";
import type { SenderOptions } from "./push/sender.ts";
import { nodeCrypto } from "./node.ts";
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
import { INDEX_MS, Indexer } from "./chat/indexer.ts";
import type { Store, UserId } from "./store/store.ts";

/** How long a stop may take to say goodbye, to store what waits (twice), and to set users offline (ms). `natter serve` waits 9 s for all of it. */
const GOODBYE_MS = 2000, STORE_MS = 2000, OFFLINE_MS = 4000;
/** How much later than by its heartbeat a session that is gone is so in the database (ms). */
const GONE_MS = 3000;
/** Those who have not logged in may hold this part of all connections. */
const STRANGERS = 1 / 4;

/** A running server. */
export interface Server extends AsyncDisposable {
  /** Where it listens, with the ports that were picked. */
  readonly addresses: Readonly<Addresses>;
  /** Rejects when the server cannot go on: another process has its name, or SQLite's file is not where it was. It has stopped then. */
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
  times?: Partial<
    NodeTimes & QuotaTimes & {
      retention: number;
      index: number;
      leavers: number;
      news: number;
      name: number;
      rest: number;
      sweep: number;
      subscriptions: number;
      gone: number;
    }
  >;
  /** How pushes are sent. */
  push?: Partial<SenderOptions>;
  /** Another way to the other nodes. */
  bus?: JoinBus;
}

/** Without Redis a node is alone on its bus. */
async function busOf({ redis, database }: Config): Promise<JoinBus> {
  if (!redis) return (node, listener) => new LocalHub().join(node, listener);
  const { joinRedis } = await import("./cluster/redis.ts");
  // Clusters on one Redis are told apart by the name of their database.
  const name = database.kind === "mysql" ? new URL(database.url).pathname.slice(1) : database.path;
  return (node, listener) => joinRedis(redis, `natter:${name}:`, node, listener);
}

/** The parts of a server, joined. */
export class Parts implements Server {
  readonly failed: Promise<never>;
  readonly #config: Config;
  readonly #store: Store;
  readonly #folder: Folder | undefined;
  /** Undefined: nothing is pushed. */
  readonly #notifier: Notifier | undefined;
  readonly #quota: Quota;
  readonly #times: NodeTimes & QuotaTimes & { retention: number; index: number; leavers: number; sweep: number };
  readonly #tokenLife: number;
  readonly #limits: Limits;
  readonly #terms: Terms;
  readonly #counters: Counters;
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
  /** What becomes of requests, and of what other nodes say. */
  readonly #handlers: Handlers;
  readonly #nodeHandlers: NodeHandlers;
  readonly #listeners: Listeners;
  readonly #joinBus: JoinBus | undefined;
  /** Undefined: nothing is served over HTTP, or not yet. */
  #site: Site | undefined;
  #retention: Retention | undefined;
  #indexer: Indexer | undefined;
  #sweeper: Sweeper | undefined;
  readonly #groupNews: GroupNews;
  #leavers: DeletedAccounts | undefined;
  readonly #changes: Changes;
  readonly #lostNews: LostNews;
  #closing: Promise<boolean> | undefined;
  #doorbell: Doorbell | undefined;

  /** Joins them; nothing begins before {@linkcode Parts.begin}. From now on they are closed together with what they are given. */
  constructor(
    { config, store, folder, listeners }: { config: Config; store: Store; folder: Folder | undefined; listeners: Listeners },
    overrides: Overrides,
  ) {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.failed = failed.promise;
    this.#config = config;
    this.#store = store;
    this.#folder = folder;
    this.#listeners = listeners;
    this.#joinBus = overrides.bus;
    this.#times = {
      renew: RENEW_MS,
      lease: LEASE_MS,
      kicks: KICKS_MS,
      reconcile: RECONCILE_MS,
      retention: RETENTION_MS,
      index: INDEX_MS,
      sweep: SWEEP_MS,
      leavers: LEAVERS_MS,
      quotaFlush: QUOTA_FLUSH_MS,
      quotaCount: QUOTA_COUNT_MS,
      ...overrides.times,
    };
    const { onConflict, maxDevices, directory } = config;
    const tokenLife = this.#tokenLife = config.tokenDays * DAY_MS;
    const table = this.#table;
    const terms = this.#terms = new Terms({ ...config, file: folder && config.maxFile });
    const passwords = overrides.passwords ?? new Passwords();
    const limits = this.#limits = new Limits(config.limits);
    const time = this.#time;
    const quota = this.#quota = new Quota(store, config.userQuota);
    const counters = this.#counters = new Counters();
    const router = this.#router = new Router(config.node);
    const notifier = this.#notifier = terms.features.includes("push")
      ? new Notifier({
        store,
        counters,
        contact: terms.url.startsWith("https:") ? terms.url : undefined,
        goneAfter: overrides.times?.gone ?? (2 * config.heartbeat) * 1000 + GONE_MS,
        interval: overrides.times?.subscriptions ?? SUBSCRIPTIONS_MS,
        options: { any: config.push === "any", ...overrides.push },
      })
      : undefined;
    const pushes = new Pushes();
    const ties = new Ties();
    const lists = new Lists(store);
    const offline = this.#offline = new OfflineWriter(store);
    const confirmation = this.#confirmation = new Confirmation(store);
    const newsDelay = overrides.times?.news ?? NEWS_DELAY_MS;
    const news = this.#news = new PresenceNews({ store, table, router, pushes }, newsDelay);
    const departure = new Departure({ table, offline, listener: news, counters, unconfirmed: (session) => confirmation.unconfirmed(session) });
    const farewell = new Farewell(departure, config.maxLine);
    const end = farewell.end.bind(farewell);
    const most = config.maxConnections;
    const strangers = new Strangers(Math.max(1, Math.floor(most * STRANGERS)), (connection) => farewell.cut(connection, "full"));
    const delivery = this.#delivery = new Delivery({ store, table, confirmation, terms, limits, tooSlow: (session) => end(session, "slow") });
    const appender = this.#appender = new Appender({ store, router, counters, notifier, terms });
    const signals = new Signals({ store, table, router, ties, limits });
    const changes = this.#changes = new Changes({ store, router, table, ties, signals, pushes });
    this.#lostNews = new LostNews({ store, table, ties, news, pushes }, newsDelay);
    const groupNews = this.#groupNews = new GroupNews({ router, changes, counters, limits });
    const reading = new Reading({ store, router, table, pushes, changes, limits });
    const deeds = new Deeds({ store, router, counters, limits, quota, notifier });
    const remote = new RemoteHolders(store, router);
    const fenced = () => this.#node.renewSoon();
    const shared = { store, table, router, offline, listener: news, end };
    const login = this.#login = new Login({ ...shared, onConflict, maxDevices, tokenLife, passwords, limits, time, remote, fenced });
    const fatal = (error: Error) => void this.close().then(() => failed.reject(error));
    this.#node = new NodeLife({ ...shared, login, times: this.#times, noticed: (session, last) => delivery.noticed(session, last), fatal });
    const welcome = new Welcome({ store, time, delivery, confirmation, lists, news, pushes, ties, terms, tokenLife });
    const devices = new Devices({ store, strangers, login, welcome, departure, appender, changes, router, counters, limits });
    const heartbeat = this.#heartbeat = new Heartbeat(
      config.heartbeat * 1000,
      config.loginTimeout * 1000,
      (connection, cause) => farewell.cut(connection, cause),
    );
    const parting = (session: Parameters<typeof end>[0]) => {
      confirmation.acted(session);
      return appender.answered(session);
    };
    this.#connections = new Connections({ most, strangers, limits, heartbeat, farewell, departure, parting });
    this.#handlers = {
      accounts: new Accounts({ store, passwords, limits, registration: terms.registration, ended: (ended) => devices.ended(ended) }),
      sending: new Sending(store, appender, limits, quota),
      contacts: new Contacts({ store, lists, changes, news, directory }),
      groups: new Groups({ store, lists, changes, news: groupNews, limits }),
      moderation: new Moderation({ store, news: groupNews, changes }),
      hooks: new Hooks({ store, limits }),
      history: new History(store, terms),
      deeds,
      profiles: new Profiles(store, changes),
      reports: new Reports(store, limits),
      pushSettings: new PushSettings({ store, notifier, any: config.push === "any" }),
      reading,
      invitations: new Invitations({ store, news: groupNews, changes, limits, members: terms.invites, registration: terms.registration }),
      finder: new Finder(store),
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
      read: (message) => reading.heard(message),
      probe: (message) => void remote.asked(message, table, login.turns),
      probed: (message) => remote.answered(message),
      ended: ({ key, cause }) => login.ended(key, cause),
      // Its own return says so here.
      missed: ({ node }) => node !== router.node && this.#missed(),
    };
  }

  /**
   * Joins the bus, sets going what needs no client to begin, and lets requests in.
   *
   * @param left users of whom a former life of this node had left sessions
   */
  async begin(left: readonly UserId[]): Promise<void> {
    const { keepDays } = this.#config;
    this.#terms.listening(this.#listeners.addresses);
    this.#router.join(this.#joinBus ?? await busOf(this.#config), this.#nodeHandlers, () => this.#missed());
    this.#heartbeat.start();
    this.#node.start();
    if (left.length > 0 && !this.#router.alone) {
      // Their friends on other nodes were told nothing, nor anybody what else was on its way.
      for (const userId of left) this.#news.changed(userId);
      this.#router.lost();
    }
    this.#retention = new Retention(this.#store, this.#time, { tokenLife: this.#tokenLife, keepDays, interval: this.#times.retention });
    this.#quota.start(this.#times);
    this.#notifier?.start();
    this.#indexer = new Indexer(this.#store, this.#times.index);
    this.#sweeper = this.#folder && new Sweeper(this.#store, this.#folder, this.#time, this.#times.sweep);
    const { deeds } = this.#handlers;
    this.#leavers = new DeletedAccounts({ store: this.#store, changes: this.#changes, news: this.#groupNews, deeds }, this.#times.leavers);
    const doorbell = await Doorbell.open().catch((error) =>
      void log.warning("this machine does not connect to itself: one client may hold up others", { error })
    );
    // It had to stop meanwhile.
    if (this.#closing) return doorbell?.[Symbol.dispose]();
    this.#doorbell = doorbell;
    const [{ Dispatcher }] = await Promise.all([import("./dispatcher.ts"), this.#listeners.accept(this.#connections)]);
    const dispatcher = new Dispatcher(this.#handlers);
    this.#connections.begin((connection, line) => dispatcher.dispatch(connection, line));
    // Every login needs it; loaded now, the first one need not wait for it.
    nodeCrypto();
    const { http, https, metrics } = this.#config;
    if (http || https || metrics) await this.#serveHttp();
  }

  /** What other nodes said may be lost. */
  #missed(): void {
    this.#node.reconcileSoon();
    this.#lostNews.look();
  }

  async #serveHttp(): Promise<void> {
    const { Site } = await import("./http/site.ts");
    if (this.#closing) return;
    const connections = this.#connections, limits = this.#limits;
    this.#site = new Site({
      config: this.#config,
      store: this.#store,
      folder: this.#folder,
      sending: this.#handlers.sending,
      limits,
      time: this.#time,
      terms: this.#terms,
      readiness: { database: () => this.#store.ping(), bus: () => this.#router.ping() },
      gauges: {
        counters: this.#counters,
        connections: () => connections,
        maxConnections: this.#config.maxConnections,
        sessions: () => this.#table.size,
        delivered: () => this.#delivery.delivered,
        offlineBacklog: () => this.#offline.backlog,
        certificateEnds: () => this.#listeners.certificateEnds,
        searchBehind: () => this.#indexer?.behind ?? 0,
        pushWaiting: () => this.#notifier?.waiting ?? 0,
      },
    });
    await this.#listeners.serveHttp(this.#site, connections, limits);
  }

  get addresses(): Addresses {
    return this.#listeners.addresses;
  }

  async renewCertificate(): Promise<void> {
    await this.#listeners.renewCertificate();
  }

  close(): Promise<boolean> {
    this.#connections.refuseMore();
    return this.#closing ??= this.#close();
  }

  /** {@linkcode Parts.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<boolean> {
    await this.#listeners.stopAccepting();
    this.#site?.stop();
    this.#notifier?.stop();
    const own = Promise.all([
      this.#node.close(),
      this.#lostNews.close(),
      this.#retention?.close(),
      this.#indexer?.close(),
      this.#sweeper?.close(),
      this.#leavers?.close(),
    ]);
    // A database that does not answer keeps nobody from being told.
    await within(Promise.all([own, this.#appender.close()]), STORE_MS);
    await within(this.#connections.stop(), GOODBYE_MS);
    this.#connections.destroy();
    await own;
    await this.#listeners.close();
    await within(Promise.all([this.#appender.idle(), this.#login.turns.idle(), this.#site?.idle()]), STORE_MS);
    await this.#site?.close();
    this.#heartbeat.close();
    this.#confirmation.close();
    this.#delivery.close();
    await this.#table.close();
    await within(this.#quota.close(), STORE_MS);
    const [clean] = await Promise.all([this.#offline.close(OFFLINE_MS), this.#news.close(OFFLINE_MS)]);
    await this.#notifier?.close();
    await this.#router.close();
    await this.#store.leave().catch((error) => log.warning("the lease was not given up", { error }));
    await this.#store.close();
    await quiet();
    this.#doorbell?.[Symbol.dispose]();
    return clean;
  }
}
