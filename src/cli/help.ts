/** `natter --help`, and the README's table, both made from the table of flags. */

import { type Config, fields, flagName, flags, notYet } from "../config.ts";

/** What `natter --help` prints. */
export function help(): string {
  const rows = available().map((field) => {
    const { value, default: usual, help } = flags[field];
    return [`  --${flagName(field)} ${value}`, `${help} (${usual})`];
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return [
    "natter is a chat server: JSON lines over TCP.",
    "",
    "  natter [serve]      runs the server",
    "  natter --help       this text",
    "  natter --version    the version",
    "",
    "Flags of the server, with their defaults. Each is an environment variable as well: --max-line is NATTER_MAX_LINE; flags win.",
    "",
    ...rows.map(([left, right]) => left.padEnd(width) + right),
  ].join("\n");
}

/** The flags as a Markdown table, for the README. */
export function flagTable(): string {
  const rows = available().map((field) => {
    const { value, default: usual, help } = flags[field];
    return `| \`--${flagName(field)} ${value.replaceAll("|", "\\|")}\` | ${usual} | ${help} |`;
  });
  return ["| flag | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

function available(): (keyof Config)[] {
  return fields.filter((field) => !notYet.includes(field));
}
