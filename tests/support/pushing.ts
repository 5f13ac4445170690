// What the tests of Web Push have in common: who subscribes, and when all has been sent.

import { assertEquals } from "@std/assert";
import { assertErrno } from "./chat.ts";
import type { TestDatabase } from "./databases.ts";
import { loginDevice, makeDevices, type TestDevice } from "./devices.ts";
import type { Browser, PushService } from "./push_service.ts";
import type { Message, RawClient } from "./raw_client.ts";
import { eventually, type TestServer } from "./server.ts";

/** Of a server that pushes. */
export const SETTINGS = { limits: "off", push: "any" };

/** What is answered, without an error. */
export async function ok(client: RawClient, request: { msgid: number; [field: string]: unknown }): Promise<Message> {
  const answer = await client.request(request);
  assertErrno(answer, 0, `${JSON.stringify(request)}: ${JSON.stringify(answer)}`);
  return answer;
}

/** The device goes. Resolves when the database knows: until then it is not told what comes, and is looked at again only when its heartbeat would have told. */
export async function leave({ db }: TestServer, { user, id }: TestDevice, client: RawClient): Promise<void> {
  await client.close();
  await eventually(
    async () => (await db.query(`select session from device where userid = ${user.id} and device = ${id}`))[0]?.session == null,
    "the database knows who went",
  );
}

/** The device subscribes, and goes. */
export async function subscribe(server: TestServer, device: TestDevice, { endpoint, keys }: Browser, fields: object = {}): Promise<string> {
  const { client } = await loginDevice(server, device);
  const { key } = await ok(client, { msgid: 48, endpoint, keys, ...fields });
  await leave(server, device, client);
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
