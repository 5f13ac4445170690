/**
 * The settings: one table of flags, from which parsing, `--help` and the README's table are made. Every flag is also an environment variable
 * (`--tls-listen` = `NATTER_TLS_LISTEN`); flags win.
 */

import * as values from "./values.ts";
import { type Address, ConfigError, type DatabaseConfig } from "./values.ts";

export { type Address, ConfigError, type DatabaseConfig };

/** What happens at a second login of a user. */
export type OnConflict = "probe" | "refuse" | "replace";

/** Who may make an account: everybody, who was invited, or nobody. */
export type Registration = "open" | "invite" | "closed";

/** How the log is written. */
export type LogFormat = "pretty" | "json";

/** From which level on the log is written. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Every setting, checked. Addresses that are undefined are not listened on. */
export interface Config {
  /** `--listen`. */
  listen: Address;
  /** `--tls-listen`; undefined: off. */
  tlsListen: Address | undefined;
  /** PEM files. */
  tlsCert: string | undefined;
  /** `--tls-key`, a path. */
  tlsKey: string | undefined;
  /** `--http`; undefined: off. */
  http: Address | undefined;
  /** `--https`; undefined: off. */
  https: Address | undefined;
  /** `--metrics`; undefined: off. */
  metrics: Address | undefined;
  /** `--database`. */
  database: DatabaseConfig;
  /** `--files`, a folder; undefined: there are none. */
  files: string | undefined;
  /** `--url`, such as `https://chat.example.org`. */
  url: string | undefined;
  /** `redis://…` or `rediss://…` */
  redis: string | undefined;
  /** `--node`. */
  node: string;
  /** Seconds. */
  heartbeat: number;
  /** `--on-conflict`. */
  onConflict: OnConflict;
  /** `--limits`. */
  limits: boolean;
  /** IP addresses. */
  trustedProxy: string[];
  /** Such as `https://chat.example.org`. */
  allowOrigin: string[];
  /** Days; undefined: for ever. */
  keepDays: number | undefined;
  /** `--max-connections`. */
  maxConnections: number;
  /** Bytes. */
  maxLine: number;
  /** Members. */
  maxGroup: number;
  /** Entries of a log. */
  maxInbox: number;
  /** Named devices of a user; 0: there are none. */
  maxDevices: number;
  /** `--max-file` (bytes). */
  maxFile: number;
  /** `--user-quota` (bytes). */
  userQuota: number;
  /** How long a token lives after its last use (days). */
  tokenDays: number;
  /** `--push`: Web Push; `any`: also to private addresses. */
  push: "on" | "off" | "any";
  /** `--directory`: users are found by the beginning of their names. */
  directory: boolean;
  /** `--registration`: who may make an account. */
  registration: Registration;
  /** `--invites`: who invites to the server. */
  invites: "operator" | "members";
  /** Seconds. */
  loginTimeout: number;
  /** Bytes. */
  sendQueue: number;
  /** `--log`. */
  log: LogFormat;
  /** `--log-level`. */
  logLevel: LogLevel;
}

/** One row of the table of flags. */
export interface Flag<T> {
  /** What stands for the value in the help. */
  value: string;
  /** What the help says of the default; parsed like a given value, unless {@linkcode Flag.otherwise} is there. */
  default: string;
  /** What the help says of it. */
  help: string;
  /** Throws {@linkcode ConfigError} saying what the value is not ("is not …"). */
  parse: (text: string) => T;
  /** The default, where it is not a text to be parsed. */
  otherwise?: () => T;
}

/** All flags, in the order of the help. */
export const flags: { readonly [K in keyof Config]: Flag<Config[K]> } = {
  listen: { value: "HOST:PORT", default: "127.0.0.1:6000", help: "TCP address; port 0 picks one", parse: values.address },
  tlsListen: { value: "HOST:PORT", default: "off", help: "the same protocol over TLS", parse: values.orOff(values.address) },
  tlsCert: { value: "FILE", default: "none", help: "certificate chain for TLS (PEM)", parse: values.path, otherwise: none },
  tlsKey: { value: "FILE", default: "none", help: "its private key (PEM)", parse: values.path, otherwise: none },
  http: {
    value: "HOST:PORT",
    default: "127.0.0.1:6080",
    help: "web page, /ws, files, hooks, /healthz, /readyz, and /metrics to loopback callers; off closes it",
    parse: values.orOff(values.address),
  },
  https: { value: "HOST:PORT", default: "off", help: "the page over TLS", parse: values.orOff(values.address) },
  metrics: { value: "HOST:PORT", default: "off", help: "a listener of its own for /metrics", parse: values.orOff(values.address) },
  database: { value: "URL", default: "sqlite:natter.db", help: "sqlite:FILE or mysql://USER:PASSWORD@HOST:3306/NAME", parse: values.database },
  files: {
    value: "FOLDER",
    default: "natter-files beside the SQLite file, else off",
    help: "what users upload, the same for all nodes; off: no files",
    parse: values.orOff(values.path),
    otherwise: none,
  },
  url: {
    value: "ORIGIN",
    default: "where --https or --http listens",
    help: "how users reach the page, such as https://chat.example.org",
    parse: values.pageOrigin,
    otherwise: none,
  },
  redis: { value: "URL", default: "off", help: "redis://HOST:6379: nodes talk", parse: values.orOff(values.redis) },
  node: { value: "NAME", default: "the host name", help: "this node's name, unique in the cluster", parse: values.node, otherwise: hostName },
  heartbeat: {
    value: "SECONDS",
    default: "10",
    help: "silence before a PING; twice that without a word: gone",
    parse: values.number({ above: 0, most: 3600, unit: "seconds" }),
  },
  onConflict: {
    value: "MODE",
    default: "probe",
    help: "second login of a user: probe, refuse or replace",
    parse: values.oneOf("probe", "refuse", "replace"),
  },
  limits: {
    value: "on|off",
    default: "on",
    help: "off lifts rate limits and the limits per address",
    parse: (text) => values.oneOf("on", "off")(text) === "on",
  },
  trustedProxy: {
    value: "IP,…",
    default: "none",
    help: "addresses whose PROXY header or X-Forwarded-For is believed",
    parse: values.list(values.ip),
  },
  allowOrigin: { value: "ORIGIN,…", default: "none", help: "origins for /ws beside the page's own", parse: values.list(values.origin) },
  keepDays: { value: "DAYS", default: "forever", help: "how long confirmed messages stay", parse: values.keepDays },
  maxConnections: { value: "N", default: "10000", help: "connections at once", parse: values.number({ least: 1, most: 10_000_000, whole: true }) },
  maxLine: { value: "SIZE", default: "65536", help: "longest line, in bytes or such as 64KiB", parse: values.bytes(1024, 16 * 1024 * 1024) },
  maxGroup: { value: "N", default: "2000", help: "members of a group", parse: values.number({ least: 2, most: 1_000_000, whole: true }) },
  maxInbox: {
    value: "N",
    default: "100000",
    help: "unconfirmed messages of a user",
    parse: values.number({ least: 1, most: 1_000_000_000, whole: true }),
  },
  maxDevices: { value: "N", default: "20", help: "named devices of a user; 0: none", parse: values.number({ least: 0, most: 500, whole: true }) },
  maxFile: {
    value: "SIZE",
    default: "25MiB",
    help: "largest file that may be uploaded",
    parse: values.bytes(1, 1024 ** 4),
  },
  userQuota: {
    value: "SIZE",
    default: "1GiB",
    help: "what a user's files and texts may take",
    parse: values.quota,
  },
  tokenDays: {
    value: "DAYS",
    default: "90",
    help: "how long a device stays logged in after its last use",
    parse: values.number({ above: 0, most: 36_500, unit: "days" }),
  },
  push: {
    value: "on|off|any",
    default: "on",
    help: "Web Push for devices that are away; any: also to private addresses",
    parse: values.oneOf("on", "off", "any"),
  },
  directory: {
    value: "on|off",
    default: "off",
    help: "users are found by the beginning of their names",
    parse: (text) => values.oneOf("on", "off")(text) === "on",
  },
  registration: {
    value: "MODE",
    default: "open",
    help: "who may register: open, invite (with a code of natter invite) or closed",
    parse: values.oneOf("open", "invite", "closed"),
  },
  invites: {
    value: "WHO",
    default: "operator",
    help: "who makes such codes: operator or members",
    parse: values.oneOf("operator", "members"),
  },
  loginTimeout: {
    value: "SECONDS",
    default: "300",
    help: "how long a connection may stay without a login",
    parse: values.number({ above: 0, most: 86_400, unit: "seconds" }),
  },
  sendQueue: {
    value: "SIZE",
    default: "1MiB",
    help: "what may wait in memory for a slow reader",
    parse: values.bytes(1024, 1024 * 1024 * 1024),
  },
  log: {
    value: "FORMAT",
    default: "pretty on a terminal, else json",
    help: "pretty or json",
    parse: values.oneOf("pretty", "json"),
    otherwise: () => Deno.stderr.isTerminal() ? "pretty" : "json",
  },
  logLevel: { value: "LEVEL", default: "info", help: "debug, info, warning or error", parse: values.oneOf("debug", "info", "warning", "error") },
};

/** The fields of {@linkcode Config} in the order of the help. */
export const fields = Object.keys(flags) as (keyof Config)[];

/** `tlsListen` as it is written on the command line, without the dashes: `tls-listen`. */
export function flagName(field: keyof Config): string {
  return field.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());
}

/** `tlsListen` as an environment variable: `NATTER_TLS_LISTEN`. */
export function variableName(field: keyof Config): string {
  return "NATTER_" + flagName(field).replaceAll("-", "_").toUpperCase();
}

/**
 * Reads the settings from the command line and the environment (an empty variable counts as none).
 *
 * @param args the arguments after the command's name
 * @param env looks a variable up
 * @param positionals takes what is no flag; without it such an argument is refused
 * @throws {ConfigError} at the first thing wrong; never with a password in it
 */
export function parseConfig(args: string[], env: (name: string) => string | undefined, positionals?: string[]): Config {
  const given = parseFlags(args, positionals);
  const config: Partial<Config> = {};
  const set = new Set<keyof Config>();
  function read<K extends keyof Config>(field: K): void {
    const flag = flags[field];
    const fromArgs = given.get(field);
    const text = fromArgs ?? (env(variableName(field)) || undefined);
    const source = fromArgs === undefined ? variableName(field) : "--" + flagName(field);
    if (text === undefined) {
      config[field] = flag.otherwise ? flag.otherwise() : flag.parse(flag.default);
      return;
    }
    set.add(field);
    try {
      config[field] = flag.parse(text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(`${source}: ${error.message}`);
    }
  }
  fields.forEach((field) => read(field));
  const complete = config as Config;
  if (!set.has("files") && complete.database.kind === "sqlite") complete.files = beside(complete.database.path, "natter-files");
  checkTogether(complete, set);
  return complete;
}

/** What flags ask of each other. */
function checkTogether(config: Config, set: Set<keyof Config>): void {
  const listening = new Map<string, string>();
  for (const field of ["listen", "tlsListen", "http", "https", "metrics"] as const) {
    const { hostname, port } = config[field] ?? { hostname: "", port: 0 };
    const flag = "--" + flagName(field), address = `${hostname} ${port}`, other = listening.get(address);
    if (port !== 0 && other) throw new ConfigError(`${flag} has the same address as ${other}`);
    listening.set(address, flag);
  }
  const overTls = config.tlsListen ? "--tls-listen" : config.https ? "--https" : undefined;
  if (overTls && !(config.tlsCert && config.tlsKey)) throw new ConfigError(`${overTls} needs --tls-cert and --tls-key`);
  if (!overTls && (set.has("tlsCert") || set.has("tlsKey"))) {
    throw new ConfigError("--tls-cert and --tls-key are for --tls-listen or --https, and neither is set");
  }
  if (config.redis && config.database.kind !== "mysql") {
    throw new ConfigError("--redis joins nodes that share one --database mysql://…, and this one is SQLite");
  }
}

/** The flags among the arguments, each with its text; the last of several counts. (`node:util` reads them as well, and would be a third of the time to start.) */
function parseFlags(args: string[], positionals: string[] | undefined): Map<keyof Config, string> {
  const byName = new Map<string, keyof Config>(fields.map((field) => ["--" + flagName(field), field]));
  const given = new Map<keyof Config, string>();
  const rest = [...args];
  let ended = false;
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--" && !ended) {
      ended = true;
    } else if (ended || arg === "-" || !arg.startsWith("-")) {
      if (!positionals) throw new ConfigError(`unexpected argument ${values.quote(arg)}; natter --help lists what there is`);
      positionals.push(arg);
    } else {
      const [name = ""] = arg.split("=", 1);
      const field = byName.get(name);
      if (!field) throw new ConfigError(`unknown flag ${values.quote(name)}; natter --help lists them`);
      const inline = name !== arg;
      const text = inline ? arg.slice(name.length + 1) : rest.shift();
      if (!text || (!inline && text.startsWith("--"))) throw new ConfigError(`${name} needs a value: ${flags[field].value}`);
      given.set(field, text);
    }
  }
  return given;
}

/** What has this name in the folder of that file. (`node:path` is not there yet either.) */
function beside(path: string, name: string): string {
  const folder = Deno.build.os === "windows" ? /^.*[/\\]/s : /^.*\//s;
  return (folder.exec(path)?.[0] ?? "") + name;
}

function none(): undefined {
  return undefined;
}

/** The host name, or "natter" where it is unknown, unfit as a node's name, or kept from us. */
function hostName(): string {
  try {
    return values.node(Deno.hostname());
  } catch {
    return "natter";
  }
}
