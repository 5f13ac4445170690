// What tests of chat have in common.

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { TestDatabase } from "./databases.ts";
import type { Message, RawClient } from "./raw_client.ts";

/** A CHAT or GROUP_CHAT from the server. */
export function isChat(message: Message): boolean {
  return message.msgid === 6 || message.msgid === 10;
}

/** Takes the next `count` CHAT and GROUP_CHAT, in the order they come. Rejects if one is later than `ms` after the one before. */
export async function chats(client: RawClient, count: number, ms?: number): Promise<Message[]> {
  const taken: Message[] = [];
  while (taken.length < count) taken.push(await client.next(isChat, ms));
  return taken;
}

/** Asserts that the server has sent this client nothing but what was taken: its PONG would come behind it. */
export async function nothingElse(client: RawClient, matches: (message: Message) => boolean = () => true): Promise<void> {
  await client.request({ msgid: 13 });
  assertEquals(client.backlog.filter(matches), []);
}

/** 1, 2 … `count`. */
export function upTo(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Asserts that an answer has this errno, and an `errmsg` unless it is 0. */
export function assertErrno(answer: Message, errno: number, about?: string): void {
  assertEquals(
    { errno: answer.errno, errmsg: typeof answer.errmsg },
    { errno, errmsg: errno === 0 ? "undefined" : "string" },
    about ?? JSON.stringify(answer),
  );
}

/** Sends each request and asserts that it is refused with that errno, and an `errmsg` that has these words in it. */
export async function assertRefused(client: RawClient, refusals: [errno: number, request: Request, words: string][]): Promise<void> {
  for (const [errno, request, words] of refusals) {
    const answer = await client.request(request);
    const about = `${JSON.stringify(request)}: ${JSON.stringify(answer)}`;
    assertErrno(answer, errno, about);
    assertStringIncludes(answer.errmsg!, words, about);
    assertEquals(answer.re, request.msgid);
    // A good line in between: ten bad ones in a row would close the connection.
    assertErrno(await client.request({ msgid: 17 }), 0);
  }
}

interface Request {
  msgid: number;
  [field: string]: unknown;
}

/** Up to which `seq` the database calls a user's inbox confirmed. */
export async function confirmedSeq(db: TestDatabase, id: number): Promise<number> {
  const [row] = await db.query(`select confirmed_seq from user where id = ${id}`);
  return Number(row.confirmed_seq);
}
