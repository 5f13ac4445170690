// What an error of the driver or the server means to the store.

import { StoreUnavailable } from "../store.ts";

/** An error as mysql2 gives it. */
export interface DriverError extends Error {
  /** The server's number. */
  errno?: number;
  code?: string;
  /** The connection is gone with it. */
  fatal?: boolean;
}

/** The transaction was the victim of a deadlock, or did not get a lock: run it again. */
export class LockConflict extends Error {
  override name = "LockConflict";
}

/** It did not get a lock: somebody holds it for long. */
export class LockHeld extends LockConflict {
}

/** A COMMIT was sent and nothing was heard: it may have happened, or may yet happen. */
export class CommitUnknown extends StoreUnavailable {
}

/** A row with that unique key exists. */
export function isDuplicate(error: unknown): boolean {
  return (error as DriverError).errno === 1062;
}

/**
 * Errors of the server that pass with time or with another connection: too many connections (1040, 1203, 1226), out of memory or disk (1021, 1030, 1037,
 * 1038, 1041, 1114, 1135), not ready in a cluster (1047), going down (1053, 1077, 1079), killed (1317, 1927, 1969, 3024), failed to commit (1180, 3101),
 * read-only (1290, 1792, 1836), idle for too long (4031), out of prepared statements (1461), network (1158 to 1161).
 */
const PASSING = new Set([
  ...[1021, 1030, 1037, 1038, 1040, 1041, 1047, 1053, 1077, 1079, 1114, 1135, 1158, 1159, 1160, 1161, 1180, 1203, 1226, 1290, 1317, 1461],
  ...[1792, 1836, 1927, 1969, 3024, 3101, 4031],
]);

/** Whether the connection that gave this error is gone, or not to be used again. */
export function isLost(error: DriverError): boolean {
  return error.fatal === true || (error.errno !== undefined && PASSING.has(error.errno));
}

/** What it is to the store, if it is a deadlock (1213) or a lock wait that ran out (1205). */
export function lockConflict(error: DriverError): LockConflict | undefined {
  if (error.errno === 1213) return new LockConflict(reason(error), { cause: error });
  if (error.errno === 1205) return new LockHeld(reason(error), { cause: error });
  return undefined;
}

/** One line that says what is wrong. */
export function reason(error: unknown): string {
  const { code, message } = error as DriverError;
  const line = (message || code || "no answer").replace(/\s+/g, " ").trim();
  return code && !line.includes(code) ? `${line} (${code})` : line;
}
