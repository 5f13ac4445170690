// Rows that somebody else holds, and those who have nothing to do with them.

import { assertErrno } from "./chat.ts";
import type { Admin, MysqlTest } from "./mysql.ts";
import type { Message, RawClient } from "./raw_client.ts";

/** Within what time the others are answered, the first time: a lock wait, and what a busy machine adds (ms). Whoever needs the row is refused after 10 s. */
export const SOON = 5000;

/** Holds a row, or those of whom a condition speaks, until `COMMIT`. */
export async function hold(t: MysqlTest, which: number | string, table = "user"): Promise<Admin> {
  const admin = await t.admin();
  await admin.query("START TRANSACTION");
  await admin.query(`SELECT 1 FROM ${table} WHERE ${typeof which === "number" ? `id = ${which}` : which} FOR UPDATE`);
  return admin;
}

/** Says something, which is to be stored soon. @returns the answer */
export async function say(from: RawClient, to: { toid: number } | { groupid: number }, msg: string): Promise<Message> {
  const answer = await from.request({ msgid: "toid" in to ? 6 : 10, ...to, msg }, SOON);
  assertErrno(answer, 0, msg);
  return answer;
}
