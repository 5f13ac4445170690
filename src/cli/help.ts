/** `natter --help`, and the README's table, both made from the table of flags. */

import { fields, flagName, flags } from "../config/config.ts";

/** What `natter --help` prints. */
export function help(): string {
  const rows = fields.map((field) => {
    const { value, default: usual, help } = flags[field];
    return [`  --${flagName(field)} ${value}`, `${help} (${usual})`];
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return [
    "natter is a chat server (JSON lines over TCP), and a client of it.",
    "",
    "  natter [serve]      runs the server",
    "  natter chat         talks, at a terminal or through a pipe: natter chat [HOST:PORT]",
    "  natter users        lists the users: state, node, since when",
    "  natter devices ID   lists a user's devices",
    "  natter invite       prints a code by which others may register: --uses N (1), --days N (7)",
    "  natter adduser NAME makes an account (its password is asked for, or from stdin), whoever may register",
    "  natter bot NAME     makes an account for a program, or gives it another token; prints the token, by which alone it comes in",
    "  natter deluser ID   deletes an account; what the user said stays, under the name `deleted`",
    "  natter hook GROUP NAME  prints the path by which programs write into a group as the bot NAME; the one of before is no more",
    "  natter reports      lists the messages that users reported, of the last 90 days",
    "  natter export ID    prints all that is kept of a user, as JSON lines",
    "  natter passwd ID    sets a user's password (asked for, or from stdin), and ends their sessions and tokens",
    "  natter kick ID [N]  ends a user's sessions, or that of device N, on a running server",
    "  natter ban ID       closes an account and ends its sessions; natter unban ID opens it again",
    "  natter backup FILE  copies the SQLite database, also while the server runs",
    "  natter restored     says that the database was put back from a dump or a raw copy: clients start anew from what it has",
    "  natter reindex      writes the index for searching anew, while the server runs",
    "  natter health       asks the server at --http whether it is alive: exit code 0 or 1, for a container's health check",
    "  natter --help       this text",
    "  natter --version    the version",
    "",
    "natter chat takes --name NAME or --id N (else it asks), --register to make the account NAME first, --invite CODE to do so by an invitation, --tls,",
    "and --ca FILE for an authority (PEM) to be believed beside the usual ones. The password is asked for, or NATTER_PASSWORD, or the first line of a pipe.",
    "It tells of what comes while it runs; being told while away (Web Push) is a matter of the page.",
    "",
    "A user is named by number, or by name if that is no number. The operator's commands take --database, and work with a running server.",
    "",
    "Ctrl-C or SIGTERM stops the server in order, and so does closing its terminal, if it has no certificate: with one, SIGHUP reads that again.",
    "",
    "Flags of the server, with their defaults. Each is an environment variable as well: --max-line is NATTER_MAX_LINE; flags win.",
    "",
    ...rows.map(([left, right]) => left.padEnd(width) + right),
  ].join("\n");
}

/** The flags as a Markdown table, for the README. */
export function flagTable(): string {
  const rows = fields.map((field) => {
    const { value, default: usual, help } = flags[field];
    return `| \`--${flagName(field)} ${value.replaceAll("|", "\\|")}\` | ${usual} | ${help} |`;
  });
  return ["| flag | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}
