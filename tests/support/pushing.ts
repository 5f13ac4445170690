// What the tests of Web Push have in common: who subscribes, and when all has been sent.

import { assertEquals } from "@std/assert";
import { assertErrno } from "./chat.ts";
import type { TestDatabase } from "./databases.ts";
import { loginDevice, makeDevices, type TestDevice } from "./devices.ts";
import type { Browser, PushService } from "./push_service.ts";
import type { Message, RawClient } from "./raw_client.ts";
import type { TestServer } from "./server.ts";

/** Of a server that pushes. */
export const SETTINGS = { limits: "off", push: "any" };

/** What is answered, without an error. */
export async function ok(client: RawClient, request: { msgid: number; [field: string]: unknown }): Promise<Message> {
  const answer = await client.request(request);
  assertErrno(answer, 0, `${JSON.stringify(request)}: ${JSON.stringify(answer)}`);
  return answer;
}

/** The device subscribes, and is closed. */
export async function subscribe(server: TestServer, device: TestDevice, { endpoint, keys }: Browser, fields: object = {}): Promise<string> {
  const { client } = await loginDevice(server, device);
  const { key } = await ok(client, { msgid: 48, endpoint, keys, ...fields });
  await client.close();
  return String(key);
}

/** Resolves when this server has looked up and sent all that there is. */
export async function settled(db: TestDatabase, server: TestServer, sender: RawClient, service: PushService): Promise<void> {
  // What was stored before is looked up no later than this, and what is for one device goes one after the other.
  const [witness] = await makeDevices(server, 1) as [TestDevice];
  const name = `witness-${crypto.randomUUID()}`;
  await subscribe(server, witness, await service.browser(name));
  assertEquals((await db.query(`select count(*) as n from push where userid = ${witness.user.id}`)).map(({ n }) => Number(n)), [1]);
  await ok(sender, { msgid: 6, toid: witness.user.id, msg: "x" });
  await service.read(1, name);
}
