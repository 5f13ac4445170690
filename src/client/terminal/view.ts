/** Where a session's words go: to a person's screen, or to a program's pipe. What comes is raw; a view makes it fit. */
import { field, harmless, harmlessLines, isoTime, label, nameColour, type Paint, shortTime, width, wrap } from "./text.ts";

/** A message as it is shown. */
export interface Shown {
  ts: number;
  /** The sender. */
  id: number;
  name: string;
  /** The group it was sent to, if it was one. */
  group?: string;
  /** To whom it went, if it is one's own, from another device. */
  to?: string;
  msg: string;
  /** It was changed since. */
  edited?: number;
  /** It says nothing any more. */
  deleted?: true;
  /** The number of the message that it answers. */
  reply?: number;
  reactions?: { emoji: string; count: number }[];
  /** Its files, with their whole addresses. */
  files?: { name: string; url: string }[] | undefined;
  /** It speaks to the user, in a group. */
  speaks?: boolean;
  /** Its own number, where it is asked for. */
  number?: number;
}

/** What shows. */
export interface View {
  message(message: Shown): void;
  /** The answer to a command; each row is a list of cells. */
  table(rows: string[][]): void;
  /** Something happened, or was done. */
  note(text: string): void;
  /** Something failed. */
  fault(text: string): void;
}

/** Before what does not fit on a message's first row, so that no row of a text can pass for another message. */
const MORE = "    | ";

/** What it says, and what became of it. */
function textOf({ msg, edited, deleted, reply, reactions = [], files = [] }: Shown): string {
  if (deleted) return "(deleted)";
  const behind = [...edited === undefined ? [] : ["(edited)"], ...reactions.map(({ emoji, count }) => `[${emoji} ${count}]`)];
  return [
    ...reply === undefined ? [] : [`(to #${reply})`],
    ...msg === "" ? [] : [msg],
    ...files.map(({ name, url }) => `[${label(name)} ${url}]`),
    ...behind,
  ].join(" ");
}

/** For a person: `columns` wide, with colours if `paint` has them. */
export function screenView(write: (text: string) => void, columns: () => number, paint: Paint): View {
  return {
    message(message) {
      const { ts, id, name, group, to, number, speaks } = message;
      const time = `${shortTime(ts)}${number === undefined ? "" : ` #${number}`}`, where = group === undefined ? "" : `[${label(group)}] `;
      const who = `${label(name)}${to === undefined ? "" : ` > ${label(to)}`}:`;
      const room = Math.max(columns() - 1, 20);
      const [first, ...more] = harmlessLines(textOf(message));
      // A head that is wider than the terminal leaves nothing beside it.
      const beside = Math.max(room - width(`${time} ${where}${who} `), 0);
      const rows = [...wrap(first, beside, room - MORE.length), ...more.flatMap((line) => wrap(line, room - MORE.length, room - MORE.length))];
      const head = `${paint("2", time)} ${where && paint("1", where)}${paint(nameColour(id), who)} `;
      write(rows.map((row, i) => (i === 0 ? head : paint("2", MORE)) + (speaks ? paint("1;33", row) : row)).join("\n"));
    },
    table(rows) {
      if (rows.length > 0) write(rows.map((row) => "  " + row.map(harmless).join("  ")).join("\n"));
    },
    note: (text) => write(paint("2", `* ${harmless(text)}`)),
    fault: (text) => write(paint("31", `! ${harmless(text)}`)),
  };
}

/** Where what is said to a program goes, line by line. */
export interface Output {
  /** What was asked for: stdout. */
  print: (line: string) => void;
  /** What went wrong: stderr. */
  complain: (line: string) => void;
}

/** For a program: a line per message, its fields separated by tabs; faults apart from them. What merely happens is not told. */
export function pipeView({ print, complain }: Output): View & { readonly faults: number } {
  const say = (cells: string[]) => {
    try {
      print(cells.map(field).join("\t"));
    } catch {
      // Nobody reads any more. Ending here, before the message is confirmed, leaves it in the inbox.
      Deno.exit(1);
    }
  };
  return {
    faults: 0,
    message({ ts, name, group, to, msg, deleted, number, files = [] }) {
      // It says nothing to a program.
      if (deleted) return;
      const behind = [...files.map(({ url }) => url), ...number === undefined ? [] : [`#${number}`]];
      if (group !== undefined) say(["group", isoTime(ts), group, name, msg, ...behind]);
      else say(to === undefined ? ["chat", isoTime(ts), name, msg, ...behind] : ["sent", isoTime(ts), to, msg, ...behind]);
    },
    table: (rows) => rows.forEach(say),
    note() {},
    fault(text) {
      (this as { faults: number }).faults++;
      complain(harmlessLines(text).join(" "));
    },
  };
}
