/** Connections that come from somewhere else, and what is refused for a while. */
import { assert, assertEquals } from "@std/assert";
import type { RawClient } from "./raw_client.ts";
import type { TestServer } from "./server.ts";

export const HERE = "203.0.113.1", ELSEWHERE = "203.0.113.2";
export const proxied = { "trusted-proxy": "127.0.0.1" };

/** A connection that comes from `address`, as its proxy says. */
export async function connectFrom(server: TestServer, address: string): Promise<RawClient> {
  const client = await server.connect();
  client.sendBytes(address.includes(":") ? `PROXY TCP6 ${address} ::1 4000 6000\r\n` : `PROXY TCP4 ${address} 127.0.0.1 4000 6000\r\n`);
  return client;
}

export function assertRetry(answer: { errno?: number; retry?: number }, most: number): void {
  assertEquals(answer.errno, 15, JSON.stringify(answer));
  assert(answer.retry! > 0 && answer.retry! <= most, JSON.stringify(answer));
}
