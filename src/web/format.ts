/** Times and errors as people read them, in the present language. */
import { FileRefused } from "../client/files.ts";
import { ConnectionLost, NatterError } from "../client/natter_client.ts";
import { language, t } from "./i18n.ts";
import { type Last, MOST_UNREAD } from "./state/model.ts";

const formats = new Map<string, Intl.DateTimeFormat>();

/** They are slow to make, and there is one in every message. */
function format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let made = formats.get(key);
  if (!made) {
    formats.set(
      key,
      made = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : navigator.language.startsWith("en") ? navigator.language : "en", options),
    );
  }
  return made;
}

/** `14:05`, in local time, as the browser's user is used to. */
export function timeOfDay(ts: number): string {
  return format({ hour: "2-digit", minute: "2-digit" }).format(ts);
}

/** Date and time, in full. */
export function fullTime(ts: number): string {
  return format({ dateStyle: "full", timeStyle: "medium" }).format(ts);
}

/** How many local days ago. */
function daysAgo(ts: number): number {
  const midnight = (time: number) => new Date(time).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(ts)) / 86_400_000);
}

/** A day, above its messages. */
export function day(ts: number): string {
  const days = daysAgo(ts);
  if (days === 0) return t.today;
  if (days === 1) return t.yesterday;
  const thisYear = new Date(ts).getFullYear() === new Date().getFullYear();
  return format({ weekday: "long", day: "numeric", month: "long", ...(thisYear ? {} : { year: "numeric" }) }).format(ts);
}

/** A moment, in the list: as short as can be. */
export function shortTime(ts: number): string {
  const days = daysAgo(ts);
  if (days <= 0) return timeOfDay(ts);
  if (days === 1) return t.yesterday;
  if (days < 7) return format({ weekday: "short" }).format(ts);
  return format({ day: "numeric", month: "numeric", year: "2-digit" }).format(ts);
}

/** How many are unread: the server counts up to a hundred. */
export function countOf(unread: number): string {
  return unread >= MOST_UNREAD ? `${MOST_UNREAD - 1}+` : `${unread}`;
}

/** How long ago someone was here. */
export function ago(ts: number): string {
  const minutes = Math.floor((Date.now() - ts) / 60_000);
  if (minutes < 1) return t.justNow;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (minutes < 60) return relative.format(-minutes, "minute");
  if (daysAgo(ts) === 0) return relative.format(-Math.floor(minutes / 60), "hour");
  return relative.format(-daysAgo(ts), "day");
}

/** What went wrong, for the user. `particular` says what an errno means here. */
export function explain(error: unknown, particular: Record<number, string> = {}): string {
  if (error instanceof NatterError) return particular[error.errno] ?? t.errors[error.errno] ?? t.unknownError;
  return error instanceof ConnectionLost ? t.unreachable : t.unknownError;
}

/** Why a file was not taken, for the user. */
export function explainUpload(error: unknown): string {
  // The browser could not read it.
  if (error instanceof DOMException) return t.unreadable;
  return error instanceof FileRefused ? t.fileErrors[error.status] ?? t.unknownError : explain(error);
}

/** A size in bytes. */
export function sizeOf(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const unit = ["byte", "kilobyte", "megabyte", "gigabyte"][power]!;
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 }).format(bytes / 1000 ** power);
}

/** What a message says in one line: of one without a text, what its first file is. */
export function gist({ msg, files }: Pick<Last, "msg" | "files">): string {
  if (msg !== "" || !files?.[0]) return msg;
  return files[0].type.startsWith("image/") ? t.photo : t.file;
}

/** Where a file is. The page may stand in a folder of its server. @param path as the server tells it */
export function addressOf(path: string): string {
  return new URL(path.slice(1), document.baseURI).href;
}

/** The server, without a slash at the end. */
export function serverUrl(): string {
  return new URL(".", document.baseURI).href.replace(/\/$/, "");
}
