/**
 * Checks a server against docs/protocol.md: `deno task conformance HOST:PORT`. It needs nothing but the address, and registers users of its own.
 *
 * What it prints is TAP: a line per check, with the number of the rule. Exit code 0: all hold; 1: some do not; 2: it could not be found out.
 */
import { parseArgs } from "node:util";
import { answers } from "./answers.ts";
import { classics } from "./classic.ts";
import { Client, LimitReached } from "./client.ts";
import { deeds } from "./deeds.ts";
import { devices } from "./devices.ts";
import { framing } from "./framing.ts";
import { messages } from "./messages.ts";
import { groups } from "./groups.ts";
import { people } from "./people.ts";
import { sessions } from "./sessions.ts";
import { type Check, type Outcome, runChecks } from "./suite.ts";
import { conversations } from "./talks.ts";
import { parseTarget, type Target } from "./target.ts";

const USAGE = `deno task conformance [--ca FILE] ADDRESS

ADDRESS is HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT/ws.
--ca FILE   a certificate (PEM) to be believed beside the usual ones, for tls`;

/** All checks, in the order of their rules. */
export const checks: Check[] = [
  ...framing,
  ...answers,
  ...sessions,
  ...devices,
  ...messages,
  ...deeds,
  ...conversations,
  ...people,
  ...groups,
  ...classics,
]
  .sort((a, b) => orderOf(a.rule) - orderOf(b.rule));

function orderOf(rule: string): number {
  const [section, number] = rule.split(".").map(Number);
  return section * 100 + number;
}

/** How long a server has to answer a first PING (ms). */
const FIRST_MS = 5000;

/** Makes all checks, or some, on a server, and says what it found, line by line. @returns the exit code */
export async function conformance(target: Target, say: (line: string) => void, some: readonly Check[] = checks): Promise<number> {
  say("TAP version 14");
  say(`1..${some.length}`);
  try {
    await greet(target);
    let number = 0;
    const outcomes = await runChecks(target, some, (check, outcome) => say(lineOf(++number, check, outcome)));
    const count = (result: Outcome["result"]) => outcomes.filter((o) => o.result === result).length;
    say(`# ${count("ok")} ok, ${count("failed")} not ok, ${count("skipped")} skipped`);
    return count("failed") > 0 ? 1 : 0;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof LimitReached) {
      say(`Bail out! The server's limits stop the suite (${why}). Run it against a server with --limits off, or from its own machine.`);
    } else say(`Bail out! ${why}`);
    return 2;
  }
}

function lineOf(number: number, { rule, title }: Check, outcome: Outcome): string {
  const line = `${outcome.result === "failed" ? "not ok" : "ok"} ${number} - ${rule} ${title}`;
  if (outcome.result === "skipped") return `${line} # SKIP ${outcome.why}`;
  return outcome.result === "failed" ? `${line}\n${outcome.why.replace(/\n\s*(?=\n|$)/g, "").replace(/^/gm, "  # ")}` : line;
}

/** Throws an Error if what is there does not even say PONG. */
async function greet(target: Target): Promise<void> {
  const client = await Client.connect(target).catch((error) => {
    throw new Error(`nobody can be reached there: ${error.message}`);
  });
  try {
    const { msgid } = await client.request({ msgid: 13 }, FIRST_MS);
    if (msgid !== 14) throw new Error(`PING was answered with msgid ${msgid}`);
  } catch (error) {
    if (error instanceof LimitReached) throw error;
    throw new Error(`this does not speak the protocol: ${error instanceof Error ? error.message : error}`);
  } finally {
    await client.close();
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args, options: { ca: { type: "string" } }, allowPositionals: true });
    if (positionals.length !== 1) throw new TypeError("wanted: one address");
    const caCerts = values.ca === undefined ? [] : [await Deno.readTextFile(values.ca)];
    return await conformance(parseTarget(positionals[0], caCerts), console.log);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
}
