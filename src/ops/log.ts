/**
 * The log: one line per record on stderr, pretty or JSON. Silent until {@linkcode configureLog} is called, as it should be for whoever starts a server
 * inside another program.
 *
 * Rules:
 *
 * 1. Logging never waits: a line is appended to a string, which is written in the background, one write in flight.
 * 2. What waits is bounded; lines above that are dropped, and their number is logged when there is room again.
 * 3. Messages are constants, everything that varies is a field. Fields may come from clients: control characters are escaped.
 * 4. No password and no token is ever a field.
 * 5. What clients can cause over and over (info and debug: logins, departures) is bounded in time as well: else some of them fill a disk. What is left out is
 *    counted, and the number logged.
 */

import type { Logger } from "@logtape/logtape";
import type { LogFormat, LogLevel } from "../config/config.ts";

/** What a line says beside its message. Errors are written with their stack at level error, else by their message; undefined fields are left out. */
export type Fields = Record<string, unknown>;

/** What a line is made of. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  timestamp: number;
  /** `debug`, `info`, `warning` or `error`. */
  level: string;
  /** What happened; constant. */
  message: readonly unknown[];
  /** What varies. */
  properties: Fields;
}

/** Why and when a session ended: one line per departure, which answers "why was this user cut?". */
export interface DepartureFields {
  /** Why it ended. */
  cause: string;
  /** Absent for a connection that never logged in. */
  user?: number;
  /** On which device of the user. */
  device?: number;
  /** The session that ended with it. */
  session?: string;
  /** The client's. */
  address: string;
  /** How long it lasted (ms). */
  duration: number;
}

/** LogTape's, once it is loaded; until then lines wait for it. */
let logger: Logger | undefined;
let early: [LogLevel, string, Fields][] = [];
let settings: { format: LogFormat; level: LogLevel } | undefined;
let opening: Promise<void> | undefined;
let writer: LineWriter | undefined;

function write(level: LogLevel, message: string, fields: Fields = {}): void {
  if (logger) return logger[level](message, fields);
  if (!settings) return;
  early.push([level, message, fields]);
  void openLog();
}

/** One function per level; `--log-level` says from which on lines are written. */
export const log = {
  debug: (message: string, fields?: Fields): void => write("debug", message, fields),
  info: (message: string, fields?: Fields): void => write("info", message, fields),
  warning: (message: string, fields?: Fields): void => write("warning", message, fields),
  error: (message: string, fields?: Fields): void => write("error", message, fields),
  /** The line of a departure: at info if a user is gone by it, else at debug. */
  departure: (fields: DepartureFields): void => write(fields.user === undefined ? "debug" : "info", "departure", { ...fields }),
};

/** Turns the log on, for the whole process. Once, before anything is logged. */
export function configureLog(format: LogFormat, level: LogLevel): void {
  settings = { format, level };
}

/** Loads LogTape, with the first line at the latest: before the ready line it would be a part of the time to start (docs/performance.md). */
export function openLog(): Promise<void> {
  return opening ??= open();
}

async function open(): Promise<void> {
  const { configure, getLogger } = await import("@logtape/logtape");
  if (settings) {
    const { format, level } = settings;
    const dropped = (lines: number) => log.warning("nobody took the log, so lines were dropped", { lines });
    const lines = writer = new LineWriter((bytes) => Deno.stderr.write(bytes), dropped);
    const allowance = new Allowance();
    const colors = Deno.stderr.isTerminal() && !Deno.noColor;
    const render = format === "json" ? formatJson : (record: LogLine) => formatPretty(record, colors);
    await configure({
      sinks: {
        stderr: (record) => {
          const left = record.level === "info" || record.level === "debug" ? allowance.take(performance.now()) : 0;
          if (left === undefined) return;
          if (left > 0) log.warning("too many lines in a short time, so some were left out", { lines: left });
          lines.write(render(record));
        },
      },
      loggers: [
        { category: "natter", sinks: ["stderr"], lowestLevel: level },
        { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "warning" },
      ],
    });
  }
  logger = getLogger("natter");
  for (const [level, message, fields] of early) logger[level](message, fields);
  early = [];
}

/** Resolves when what was logged is written, or after a second if nobody takes it. The last thing before the process ends. */
export async function flushLog(): Promise<void> {
  await opening;
  await writer?.flushed(1000);
}

/** What may be written at info and debug: 10,000 lines at once, 100 a second. In JSON that is at most some 2 GB a day. */
const BURST = 10_000, REFILL_MS = 10;

/** Says which lines are left out because there are too many; rule 5 above. */
export class Allowance {
  #fullAt = 0;
  #left = 0;

  /** One more. @returns how many were left out before it; undefined: it is left out as well */
  take(now: number): number | undefined {
    const fullAt = Math.max(this.#fullAt, now) + REFILL_MS;
    if (fullAt - now > BURST * REFILL_MS) {
      this.#left++;
      return undefined;
    }
    this.#fullAt = fullAt;
    const left = this.#left;
    this.#left = 0;
    return left;
  }
}

/** Writes lines in the background; rules 1 and 2 above. `dropped` is told how many lines were dropped, when there is room again. */
export class LineWriter {
  readonly #sink: (bytes: Uint8Array) => Promise<number>;
  readonly #dropping: (lines: number) => void;
  readonly #most: number;
  #waiting = "";
  #dropped = 0;
  #writing: Promise<void> | undefined;

  /** `most`: how many characters may wait. */
  constructor(sink: (bytes: Uint8Array) => Promise<number>, dropped: (lines: number) => void, most = 1024 * 1024) {
    this.#sink = sink;
    this.#dropping = dropped;
    this.#most = most;
  }

  /** Appends a line. */
  write(line: string): void {
    if (this.#waiting.length + line.length >= this.#most) {
      this.#dropped++;
      return;
    }
    this.#waiting += line + "\n";
    this.#writing ??= this.#drain();
  }

  /** Resolves when nothing waits any more, at the latest after `ms`. */
  async flushed(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    await Promise.race([this.#writing, late]);
    clearTimeout(timer);
  }

  async #drain(): Promise<void> {
    const encoder = new TextEncoder();
    // The lines of one turn go together.
    await Promise.resolve();
    while (this.#waiting) {
      let bytes = encoder.encode(this.#waiting);
      this.#waiting = "";
      if (this.#dropped > 0) {
        const lines = this.#dropped;
        this.#dropped = 0;
        this.#dropping(lines);
      }
      try {
        while (bytes.length > 0) bytes = bytes.subarray(await this.#sink(bytes));
      } catch {
        // Nobody reads stderr any more. There is nowhere to say so, and it is no reason to stop.
      }
    }
    this.#writing = undefined;
  }
}

/** One JSON object: `time`, `level`, `message`, then the fields. */
export function formatJson(record: LogLine): string {
  const { timestamp, level, properties } = record;
  const plain: Fields = { time: new Date(timestamp).toISOString(), level, message: record.message.join("") };
  for (const [name, value] of Object.entries(properties)) plain[name] = value instanceof Error ? describe(value, level) : value;
  return json(plain);
}

/** `12:34:56 info    departure cause=silent user=13`, in local time. */
export function formatPretty(record: LogLine, colors: boolean): string {
  const { timestamp, level, properties } = record;
  const color = colors ? COLORS[level] ?? "" : "";
  const reset = color && "\x1b[0m";
  let line = `${new Date(timestamp).toTimeString().slice(0, 8)} ${color}${level.padEnd(7)}${reset} ${escapeAll(record.message.join(""))}`;
  let stack = "";
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (value instanceof Error) {
      line += ` ${name}=${quoted(`${value.name}: ${value.message}`)}`;
      if (level === "error") stack += frames(value).map((frame) => "\n    " + escapeAll(frame)).join("");
    } else {
      line += ` ${name}=${typeof value === "string" ? quoted(value) : json(value)}`;
    }
  }
  return line + stack;
}

const COLORS: Record<string, string> = { debug: "\x1b[90m", info: "\x1b[32m", warning: "\x1b[33m", error: "\x1b[31m" };

/** What moves a terminal's cursor, changes its state or the order of its letters; and lone surrogates. */
const UNSAFE_LOGGED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

function escape(character: string): string {
  return [...character].map((c) => {
    const code = c.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\u${c.charCodeAt(0).toString(16)}\\u${c.charCodeAt(1).toString(16)}` : `\\u${code.toString(16).padStart(4, "0")}`;
  }).join("");
}

function json(value: unknown): string {
  return escapeAll(JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? String(inner) : inner) ?? String(value));
}

function escapeAll(text: string): string {
  return text.replace(UNSAFE_LOGGED, escape);
}

/** As it is if it is one plain word, else as a JSON string: a value cannot pass for another field. */
function quoted(text: string): string {
  return /^[\p{L}\p{N}_.:@/[\]-]+$/u.test(text) ? text : json(text);
}

function describe(error: Error, level: string): string {
  const said = `${error.name}: ${error.message}`;
  return level === "error" ? [said, ...frames(error)].join("\n") : said;
}

/** Where an error came from. Its message, which a client may have shaped, is cut off first. */
function frames(error: Error): string[] {
  const { stack = "", name, message } = error;
  const end = stack.indexOf(message) + message.length;
  return stack.slice(stack.startsWith(name) ? end : 0).split("\n").map((line) => line.trim()).filter((line) => line.startsWith("at "));
}
