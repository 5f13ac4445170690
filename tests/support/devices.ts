// Users with several devices, for tests.

import { assertEquals } from "@std/assert";
import type { Message, RawClient } from "./raw_client.ts";
import type { TestDatabase } from "./databases.ts";

/** A device that may log in again by its token. */
export interface TestDevice {
  /** Whose. */
  user: { id: number; name: string };
  /** The user's own number of it. */
  id: number;
  token: string;
}

/** What connects to a server: a test's own, or a process. */
interface Connects {
  connect(): Promise<RawClient>;
}

const PASSWORD = "secret";
let made = 0;

/** Registers a user and logs in on so many new devices, which are left logged out again. */
export async function makeDevices(server: Connects, count: number): Promise<TestDevice[]> {
  const name = `owner${++made}_${crypto.randomUUID().slice(0, 8)}`;
  const registering = await server.connect();
  const { id } = await registering.register(name, PASSWORD) as { id: number };
  await registering.close();
  const devices: TestDevice[] = [];
  for (let i = 1; i <= count; i++) {
    const client = await server.connect();
    const ack = await client.request({ msgid: 1, id, password: PASSWORD, proto: 3, device: `device ${i}` }, 90_000);
    assertEquals(ack.errno, 0, JSON.stringify(ack));
    devices.push({ user: { id, name }, id: (ack.device as { id: number }).id, token: ack.token! });
    await client.close();
  }
  return devices;
}

/** Logs a device in, on a connection of its own. A former connection of it is taken over. */
export async function loginDevice(server: Connects, device: TestDevice): Promise<{ client: RawClient; ack: Message }> {
  const client = await server.connect();
  const ack = await client.request({ msgid: 1, id: device.user.id, token: device.token, proto: 3, takeover: true }, 90_000);
  assertEquals(ack.errno, 0, JSON.stringify(ack));
  assertEquals((ack.device as { id: number }).id, device.id);
  return { client, ack };
}

/** What the database says of a user in one moment: the state, and how many devices have a session. */
export async function presenceOf(db: TestDatabase, id: number): Promise<{ state: string; sessions: number; lastseen: number | null }> {
  const sql =
    `select state, lastseen, (select count(*) from device where userid = u.id and session is not null) as sessions from user u where id = ${id}`;
  const [row] = await db.query(sql);
  return { state: String(row!.state), sessions: Number(row!.sessions), lastseen: row!.lastseen === null ? null : Number(row!.lastseen) };
}
