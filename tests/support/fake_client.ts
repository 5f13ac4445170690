/** A client against a server that the test plays. */
import { NatterClient, type NatterClientOptions } from "../../src/client/natter_client.ts";
import type { FakeWire } from "./fake_wire.ts";

/** A client that comes back at once. */
export function clientOf(wire: FakeWire, options: Partial<NatterClientOptions> = {}): NatterClient {
  return new NatterClient({ connect: wire.connect, backoff: { min: 1, max: 1 }, ...options });
}

/** A client, logged in as alice by token (so that it keeps trying). */
export async function online(wire: FakeWire, options: Partial<NatterClientOptions> = {}, ack: Record<string, unknown> = {}) {
  const client = clientOf(wire, options);
  const [connection] = await Promise.all([wire.login(ack), client.login({ id: 1, token: "t0" })]);
  return { client, connection };
}

/** Lets everything happen that needs no timer. */
export const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
