/** `natter serve`: the server as a process, from its settings to its exit code. */

import { ConfigError, parseConfig } from "../config/config.ts";
import { formatAddress, ListenError } from "../net/listen.ts";
import type { Addresses } from "../net/listeners.ts";
import { configureLog, flushLog, log, openLog } from "../ops/log.ts";
import { type Overrides, type Server, start } from "../server.ts";
import { StoreRefused, StoreUnavailable } from "../store/store.ts";
import { within } from "../async/within.ts";
import { complain, print } from "./output.ts";

/** How long a stop may take (ms), whatever its steps would; Docker kills after 10 s. */
const STOP_MS = 9000;
/**
 * The same signal again within this time (ms) is the same one: a terminal gives Ctrl-C to all that run in it, systemd SIGTERM to all of a service, and `deno task`,
 * which is one of them, hands it on.
 */
const HANDED_ON_MS = 1000;

/**
 * Runs the server until a signal ends it. `overrides` are for tests. Resolves with the exit code: 0, 1 if it could not start or rows are left online, 2 for
 * a bad setting.
 */
export async function serve(args: string[], overrides: Overrides = {}): Promise<number> {
  try {
    return await run(args, overrides);
  } catch (error) {
    const expected = error instanceof ConfigError || error instanceof StoreRefused || error instanceof StoreUnavailable ||
      error instanceof ListenError;
    if (!expected) log.error("the server failed", { error });
    complain(oneLine(error));
    return error instanceof ConfigError ? 2 : 1;
  } finally {
    await flushLog();
  }
}

async function run(args: string[], overrides: Overrides): Promise<number> {
  const config = parseConfig(args, (name) => Deno.env.get(name));
  configureLog(config.log, config.logLevel);
  keepGoing();
  // It goes with its terminal, as programs do, unless SIGHUP has to say something else.
  const goes = !config.tlsCert && Deno.stdin.isTerminal();
  const stopping = signalled(goes);
  let ready = false, stopped = false;
  const starting = start(config, overrides, (addresses) => {
    // Nobody is let in by who is about to end.
    if (stopped) throw new Error("asked to stop");
    ready = true;
    print(readyLine(addresses));
    void openLog();
  });
  if (!goes) renewOnHangUp(starting);
  const server = await Promise.race([starting, stopping]) ?? (ready ? await starting : undefined);
  if (!server) {
    // Asked to stop before it was ready: nobody is online yet, and nobody will be while the log is written.
    stopped = true;
    starting.catch(() => {});
    return 0;
  }
  await Promise.race([stopping, server.failed]);
  if (await close(server)) return 0;
  complain("users may be online in the database yet, which did not answer: the next start, or another node, sets them offline");
  return 1;
}

/** Closes the server, within {@linkcode STOP_MS}. False: rows may be left online. */
async function close(server: Server): Promise<boolean> {
  let clean = false;
  await within(server.close().then((result) => clean = result), STOP_MS);
  return clean;
}

/** What is printed when connections are accepted; closed listeners are left out. */
function readyLine(addresses: Readonly<Addresses>): string {
  return "natter ready" + Object.entries(addresses).map(([name, address]) => ` ${name}=${formatAddress(address)}`).join("");
}

/**
 * Resolves at the first SIGTERM or SIGINT, or SIGHUP if it `hangsUp`. The second ends the process at once, unless it is the first one,
 * {@linkcode HANDED_ON_MS handed on}, or SIGHUP: who closes the terminal behind Ctrl-C is not in a hurry.
 */
function signalled(hangsUp: boolean): Promise<undefined> {
  return new Promise((resolve) => {
    let first: Deno.Signal | undefined, until = 0;
    const listen = (signal: Deno.Signal) =>
      Deno.addSignalListener(signal, () => {
        if (first && signal === "SIGHUP" || first === signal && performance.now() < until) return;
        if (first) Deno.exit(1);
        first = signal;
        until = performance.now() + HANDED_ON_MS;
        resolve(undefined);
      });
    listen("SIGINT");
    if (Deno.build.os === "windows") return;
    listen("SIGTERM");
    if (hangsUp) listen("SIGHUP");
  });
}

/** SIGHUP reads the certificate again. */
function renewOnHangUp(starting: Promise<Server>): void {
  if (Deno.build.os === "windows") return;
  Deno.addSignalListener("SIGHUP", () => {
    starting.then((server) => server.renewCertificate()).then(
      () => log.info("the certificate was read again"),
      (error) => log.error("the certificate stays as it was", { error }),
    );
  });
}

/** A defect in the handling of one connection must not end all others: it is logged, and the server goes on. */
function keepGoing(): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unhandled rejection", { error: event.reason });
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    log.error("uncaught exception", { error: event.error });
  });
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message || error.name : String(error)).replace(/\s*\n\s*/g, " ");
}
