/** What can be typed: one table, from which lines are parsed, completed and explained. The commands of the course's client are understood beside it. */

import { begunMention } from "../../search/mentions.ts";

/** What stands behind a command: one of these completes it. */
type Takes = "person" | "group" | "text" | "number";

interface Row {
  /** As the help shows it; the part in brackets may be left out. */
  args: string;
  takes?: Takes;
  help: string;
}

/** The commands, without their slash. */
export const commands = {
  to: { args: "NAME", takes: "person", help: "talk to this user: what is typed from now on goes there" },
  group: { args: "NAME", takes: "group", help: "talk to this group" },
  r: { args: "", help: "talk to whoever wrote last" },
  say: { args: "TEXT", takes: "text", help: "sends a text that looks like a command" },
  silent: { args: "TEXT", takes: "text", help: "sends a text that notifies nobody" },
  reply: { args: "[#N] TEXT", takes: "text", help: "answers the last message of others here, or number N" },
  edit: { args: "[#N] TEXT", takes: "text", help: "your last message here, or number N, says this instead" },
  delete: { args: "[#N]", takes: "text", help: "takes your last message here, or number N, away for all" },
  react: { args: "[#N] EMOJI", takes: "text", help: "puts an emoji to the last message of others, or takes it away" },
  send: { args: "FILE", takes: "text", help: "sends a file from this machine" },
  save: { args: "[#N]", takes: "text", help: "saves the files of the last message with any, or of number N, in the present folder" },
  last: { args: "[N]", takes: "number", help: "the last messages of this conversation (5), with their numbers" },
  history: { args: "[N]", takes: "number", help: "the last messages of this conversation (20)" },
  find: { args: "TEXT", takes: "text", help: "the newest messages with these words, of all conversations" },
  who: { args: "[GROUP]", takes: "group", help: "contacts and groups, and what is unread; or a group's members" },
  add: { args: "NAME", takes: "person", help: "puts a user on the contact list" },
  remove: { args: "NAME", takes: "person", help: "takes a user off it" },
  block: { args: "NAME", takes: "person", help: "takes no more messages from this user" },
  unblock: { args: "NAME", takes: "person", help: "takes them again" },
  create: { args: "NAME[:DESCRIPTION]", takes: "text", help: "creates a group" },
  private: { args: "NAME[:DESCRIPTION]", takes: "text", help: "creates a group that does not exist for who is not in it" },
  join: { args: "NAME", takes: "group", help: "joins a group, by its name, its number, or a code" },
  leave: { args: "NAME", takes: "group", help: "leaves a group, or declines an invitation" },
  invite: { args: "[NAME]", takes: "person", help: "lets a user join this group; or a code by which one may, within 7 days" },
  kick: { args: "NAME", takes: "person", help: "puts a user out of this group" },
  ban: { args: "NAME", takes: "person", help: "and lets them in no more" },
  unban: { args: "NAME", takes: "person", help: "lets them in again" },
  role: { args: "NAME ROLE", takes: "person", help: "makes a member of this group creator, moderator or normal" },
  devices: { args: "", help: "where you are logged in" },
  signout: { args: "N", takes: "number", help: "signs that device out" },
  invitation: { args: "[N]", takes: "number", help: "a code by which N others may register within 7 days (1)" },
  password: { args: "", help: "changes the password (asked for)" },
  about: { args: "[TEXT]", takes: "text", help: "what you say of yourself; with a text: from now on" },
  receipts: { args: "on|off", takes: "text", help: "whether others see how far you have read" },
  report: { args: "#N REASON", takes: "text", help: "shows message number N to whoever runs the server" },
  export: { args: "[FILE]", takes: "text", help: "saves all that the server keeps of you, as lines of JSON, in the present folder" },
  unregister: { args: "", help: "deletes your account, for good (the password is asked for); what you said stays, without your name" },
  status: { args: "", help: "the connection, and what waits to be sent" },
  help: { args: "", help: "this list" },
  logout: { args: "", help: "ends the session, to log in again" },
  quit: { args: "", help: "ends the session and the program; so do Ctrl-D, and Ctrl-C on an empty line" },
} as const satisfies Record<string, Row>;

/** The name of a command. */
type CommandName = keyof typeof commands;

/** What is done to a message. */
export type DeedName = "reply" | "edit" | "delete" | "react";

/** What a line asks for. `chat` and `groupchat` name their receiver; `say` goes to the present conversation. */
export type Command =
  | { name: "chat" | "groupchat"; who: string; text: string }
  | { name: CommandName; rest: string };

/** A line that is no command, though it looks like one; one clear sentence. */
export class CommandError extends Error {
  override name = "CommandError";
}

/** The course's commands: the name they have here, and how many parts stand behind them. */
const COURSE: Record<string, [CommandName | "chat" | "groupchat", number, string]> = {
  help: ["help", 0, "help"],
  chat: ["chat", 2, "chat:ID:TEXT"],
  addfriend: ["add", 1, "addfriend:ID"],
  creategroup: ["create", 2, "creategroup:NAME:DESCRIPTION"],
  addgroup: ["join", 1, "addgroup:ID"],
  groupchat: ["groupchat", 2, "groupchat:ID:TEXT"],
  loginout: ["logout", 0, "loginout"],
};

/** Parses a line that was typed. Plain text is `say`. Throws {@linkcode CommandError}. */
export function parseCommand(line: string): Command {
  // Several lines at once were pasted: a text, whatever is in it.
  if (line.includes("\n")) return { name: "say", rest: line };
  if (line.startsWith("/")) return parseSlash(line);
  const [, word, behind] = /^([a-z]+)(?::(.*))?$/s.exec(line) ?? [];
  if (word === undefined || !Object.hasOwn(COURSE, word)) return { name: "say", rest: line };
  const [name, parts, form] = COURSE[word];
  // A word of the course's with something else behind it, or with nothing, is a text like any other.
  if ((behind === undefined) !== (parts === 0)) return { name: "say", rest: line };
  if (name !== "chat" && name !== "groupchat") return { name, rest: form.endsWith(":ID") ? byNumber(behind) : behind ?? "" };
  const [, who, text] = /^([^:]+):(.+)$/s.exec(behind) ?? [];
  if (who === undefined) throw new CommandError(`wanted: ${form} (a text that begins like this is sent by /say)`);
  return { name, who: byNumber(who), text };
}

/** The course's commands take a number: there digits are no name. */
function byNumber(typed: string): string {
  return /^\d+$/.test(typed) ? `#${typed}` : typed;
}

/** Whether a line sends a text: such lines need not wait for each other. */
export function isText(line: string): boolean {
  try {
    return ["say", "silent", "chat", "groupchat"].includes(parseCommand(line).name);
  } catch {
    return true;
  }
}

function parseSlash(line: string): Command {
  // A second slash: a text that begins with one.
  if (line.startsWith("//")) return { name: "say", rest: line.slice(1) };
  const [, name, rest] = /^\/(\S*) ?(.*)$/s.exec(line)!;
  if (name === "q" || name === "exit") return { name: "quit", rest };
  if (!Object.hasOwn(commands, name)) throw new CommandError(`there is no command /${name}; /help lists them`);
  const { args } = commands[name as CommandName];
  const wanted = args.replace(/\[[^\]]*\]/g, "").trim() !== "";
  if (wanted && rest.trim() === "" || args === "" && rest.trim() !== "") throw new CommandError(`wanted: /${name} ${args}`.trimEnd());
  return { name: name as CommandName, rest: name === "say" ? rest : rest.trim() };
}

/** What `/help` says. */
export function helpLines(): string[] {
  const rows = Object.entries<Row>(commands).map(([name, { args, help }]) => [`/${name} ${args}`, help]);
  return [
    ...rows.map(([left, help]) => left.padEnd(28) + help),
    "A NAME may be a number as well: #12 is one, 12 is one if nobody is called so.",
    "Ctrl-C gives up a file that is on its way.",
    "Anything else is sent to the present conversation; a first slash typed twice is sent as one.",
    `The course's commands do the same: ${Object.values(COURSE).map(([, , form]) => form).join(", ")}.`,
  ];
}

/** Who can be named. */
export interface Names {
  people: string[];
  groups: string[];
}

/** What Tab makes of a line: what it could be, and the part of it that this replaces. */
export function complete(line: string, names: Names): [hits: string[], replaced: string] {
  const starting = (candidates: string[], begun: string): [string[], string] => {
    const small = begun.toLowerCase();
    return [candidates.filter((candidate) => candidate.toLowerCase().startsWith(small)), begun];
  };
  const mention = begunMention(line);
  if (mention) return starting(names.people, mention.begun);
  const [, name, begun] = /^\/(\S+) (.*)$/s.exec(line) ?? [];
  if (name !== undefined) {
    const takes = Object.hasOwn(commands, name) ? (commands as Record<string, Row>)[name].takes : undefined;
    return starting(takes === "person" ? names.people : takes === "group" ? names.groups : [], begun);
  }
  if (line.startsWith("/")) return starting(Object.keys(commands).map((name) => `/${name} `), line);
  const [, word, who] = /^(chat|groupchat):([^:]*)$/s.exec(line) ?? [];
  if (word !== undefined) return starting((word === "chat" ? names.people : names.groups).map((name) => `${name}:`), who);
  return starting(line === "" ? [] : Object.keys(COURSE).map((word) => COURSE[word][1] > 0 ? `${word}:` : word), line);
}
