/** The kinds of values that flags take. Each parser throws {@linkcode ConfigError} saying what the text is not; the caller puts the flag's name before it. */

import { usualIp } from "../ip.ts";

/** A bad setting, said in one clear line. */
export class ConfigError extends Error {
  /** By which it is told from other errors. */
  override name = "ConfigError";
}

/** Where to listen. */
export interface Address {
  /** A name or an IP address, IPv6 without brackets. */
  hostname: string;
  /** 0 picks a free one. */
  port: number;
}

/** The database, checked as far as that goes without opening it. */
export type DatabaseConfig = { kind: "sqlite"; path: string } | { kind: "mysql"; url: string };

/** What a person typed, made harmless: short, one line, no terminal escapes, no password of a URL. */
export function quote(text: string): string {
  const masked = text.replace(/:\/\/.*@/s, "://…@");
  const short = masked.length > 100 ? masked.slice(0, 100) + "…" : masked;
  return JSON.stringify(short).replace(/[^\P{C}\n]|[\u2028\u2029]/gu, "�");
}

/** What `parse` takes, or `off`. */
export function orOff<T>(parse: (text: string) => T): (text: string) => T | undefined {
  return (text) => text === "off" ? undefined : parse(text);
}

/** What `parse` takes, separated by commas, or `none`. */
export function list(parse: (text: string) => string): (text: string) => string[] {
  return (text) => text === "none" ? [] : text.split(",").map((item) => parse(item.trim()));
}

/** One of these words. */
export function oneOf<T extends string>(...words: T[]): (text: string) => T {
  return (text) => {
    const word = words.find((word) => word === text);
    if (word === undefined) throw new ConfigError(`${quote(text)} is none of ${words.join(", ")}`);
    return word;
  };
}

/** A number within bounds; `unit` is for the error's text. */
export function number(range: { least?: number; above?: number; most: number; unit?: string; whole?: boolean }): (text: string) => number {
  const { least = -Infinity, above = -Infinity, most, unit, whole } = range;
  const from = range.above === undefined ? `from ${least}` : `above ${above}`;
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value > above && value <= most) || (whole && !Number.isInteger(value))) {
      throw new ConfigError(`${quote(text)} is not a ${whole ? "whole " : ""}number ${from} up to ${most}${unit ? ", in " + unit : ""}`);
    }
    return value;
  };
}

/** A size from `least` to `most`: bytes, or such as 64KiB, 1MiB or 2GiB. */
export function bytes(least: number, most: number): (text: string) => number {
  return (text) => {
    const [, digits, unit] = /^(\d+)(KiB|MiB|GiB)?$/.exec(text) ?? [];
    const value = digits === undefined ? NaN : Number(digits) * 1024 ** ["", "KiB", "MiB", "GiB"].indexOf(unit ?? "");
    if (!(value >= least && value <= most)) {
      throw new ConfigError(`${quote(text)} is not a size from ${least} up to ${most} bytes, such as 65536, 64KiB or 1MiB`);
    }
    return value;
  };
}

/** What a user may keep: at least one file, which counts for 4 KiB; 0 would refuse every text too, and who says it means files. */
export function quota(text: string): number {
  if (/^0+(KiB|MiB|GiB)?$/.test(text)) throw new ConfigError(`${quote(text)} would refuse texts too, not files alone; --files off takes no files`);
  return bytes(4096, 1024 ** 5)(text);
}

/** Days, or `forever` (undefined). */
export function keepDays(text: string): number | undefined {
  return text === "forever" ? undefined : number({ above: 0, most: 36_500, unit: "days" })(text);
}

/** `HOST:PORT`, IPv6 as `[::1]:6000`. */
export function address(text: string): Address {
  const [, six, other, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const isHost = six === undefined ? isName(other ?? "") : six.includes(":") && usualIp(six) !== undefined;
  if (!isHost || port > 65535) {
    throw new ConfigError(`${quote(text)} is not HOST:PORT, such as 127.0.0.1:6000 or [::1]:6000`);
  }
  return { hostname: (six ?? other)!, port };
}

/** Whether a host may be called that. The first time that letters of all scripts are asked for takes a twentieth of an empty server's start. */
function isName(text: string): boolean {
  return /^[\w.-]+$/.test(text) || /^[\p{L}\p{N}._-]+$/u.test(text);
}

/** The path of a file. */
export function path(text: string): string {
  if (text.includes("\0")) throw new ConfigError("not a path");
  return text;
}

/** An IP address, in its usual spelling. */
export function ip(text: string): string {
  const usual = usualIp(text);
  if (usual === undefined) throw new ConfigError(`${quote(text)} is not an IP address`);
  return usual;
}

/** An origin, as browsers write it. */
export function origin(text: string): string {
  if (!URL.canParse(text) || new URL(text).origin !== text) {
    throw new ConfigError(`${quote(text)} is not an origin, such as https://chat.example.org`);
  }
  return text;
}

/** Where a page can be: an origin of http or https. */
export function pageOrigin(text: string): string {
  if (!/^https?:/.test(text)) throw new ConfigError(`${quote(text)} is not an origin of http or https, such as https://chat.example.org`);
  return origin(text);
}

/** Errors here never repeat the value: it may hold a password. */
export function database(text: string): DatabaseConfig {
  const file = text.startsWith("sqlite:") ? text.slice("sqlite:".length) : "";
  if (file) return { kind: "sqlite", path: path(file) };
  if (!url(text, ["mysql:"], /^\/[^/]+$/)) throw new ConfigError("neither sqlite:FILE nor mysql://USER:PASSWORD@HOST:3306/NAME");
  const { hostname, searchParams } = new URL(text);
  if ([...searchParams].some(([name, value]) => name !== "ssl" || !["true", "false"].includes(value))) {
    throw new ConfigError("behind the database's name there may be ?ssl=true or ?ssl=false, and nothing else");
  }
  if (searchParams.get("ssl") === "true" && usualIp(hostname.replace(/^\[|\]$/g, "")) !== undefined) {
    throw new ConfigError("ssl=true needs the host by name: its certificate is checked against it");
  }
  return { kind: "mysql", url: text };
}

/** A URL of Redis. */
export function redis(text: string): string {
  if (!url(text, ["redis:", "rediss:"], /^(\/\d*)?$/)) throw new ConfigError("not redis://HOST:6379");
  return text;
}

/** Whether this is a URL with one of these protocols, a host, such a path, and proper percent encoding. */
function url(text: string, protocols: string[], path: RegExp): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, username, password } = new URL(text);
  try {
    [username, password, pathname].forEach(decodeURIComponent);
  } catch {
    return false;
  }
  return protocols.includes(protocol) && hostname !== "" && path.test(pathname);
}

/** The name of a node. */
export function node(text: string): string {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(text)) throw new ConfigError(`${quote(text)} is not 1 to 64 letters, digits, dots, dashes or underscores`);
  return text;
}
