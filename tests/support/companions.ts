// Tests with three devices for each user: with who logs in by a token of `makeUsers` come two other devices of the same user. One reads, answers and confirms; one is frozen
// from its LOGIN_ACK on. They go when the one goes that they came with, in the same way.

import { assertEquals } from "@std/assert";
import { RawClient, type Server } from "./raw_client.ts";
import { giveTokens } from "./tokens.ts";
import { calledAlso, type TestDatabase } from "./databases.ts";

const OTHERS = [1, 2];
/** By the token of device 0: those of the others. */
const tokens = new Map<string, string[]>();
let asked = false;
/** Whether users of this process have three devices: what takes long may be shorter then. */
export function threeDevices(): boolean {
  return asked;
}

/** From now on users of this process have three devices. */
export function withThreeDevices(): void {
  asked = true;
  calledAlso("three devices");
  RawClient.companionsOf = (server, id, token) => Promise.all((tokens.get(token) ?? []).map((token, i) => comeAlong(server, id, token, i === 0)));
}

/** Gives these users two further devices, if they are to have some. */
export async function giveDevices(db: TestDatabase, users: { id: number; token: string }[]): Promise<void> {
  if (!asked || users.length === 0) return;
  const ids = users.map(({ id }) => id);
  await db.query(`update user set many = 1, last_device = ${OTHERS.length} where id in (${ids.join()})`);
  const others: string[][] = [];
  for (const device of OTHERS) {
    const rows = ids.map((id) => `(${id}, ${device}, 'device ${device}', 1, 0)`);
    await db.query(`insert into device (userid, device, name, created, confirmed_seq) values ${rows.join()}`);
    others.push(await giveTokens(db.url, ids, device));
  }
  for (const [i, { token }] of users.entries()) tokens.set(token, others.map((of) => of[i]!));
}

async function comeAlong(server: Server, id: number, token: string, reads: boolean): Promise<RawClient> {
  const client = await RawClient.connect(server.port, server);
  try {
    // One that came with a former login of the same user may still be there.
    const ack = await client.request({ msgid: 1, id, token, proto: 3, takeover: true }, 90_000);
    assertEquals(ack.errno, 0, JSON.stringify(ack));
    if (reads) readAll(client.answerPings(), (ack.inbox as { confirmed: number }).confirmed);
    else client.pause();
  } catch {
    // The server, or what it stands on, went meanwhile; who only wanted to log in is not to notice.
    await client.close();
  }
  return client;
}

/** Takes what comes, looks that nothing is left out, and confirms it. */
async function readAll(client: RawClient, confirmed: number): Promise<void> {
  for await (const { seq } of client) {
    if (seq === undefined) continue;
    assertEquals(seq, ++confirmed, "a device's log has a gap");
    client.send({ msgid: 12, seq });
  }
}
