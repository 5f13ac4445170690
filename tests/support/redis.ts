// A real Redis for the tests, on NATTER_TEST_REDIS (redis://127.0.0.1:6379).

import { answersAt } from "./databases.ts";
import { eventually } from "./server.ts";

/** Where it is, for `--redis`. */
export const redisUrl: string = Deno.env.get("NATTER_TEST_REDIS") ?? "redis://127.0.0.1:6379";

/** Whether tests on Redis run: it answers, or NATTER_TEST_REQUIRE=all wants them to fail if it does not. */
export const useRedis: boolean = Deno.env.get("NATTER_TEST_REQUIRE") === "all" || await answersAt(new URL(redisUrl), 6379);
if (!useRedis) console.error(`Tests on Redis are left out: nothing answers at ${new URL(redisUrl).host}.`);

async function makeClient() {
  // Imported here: nearly all test files import this one, few have several nodes, and it takes a third of a second.
  const { createClient } = await import("@redis/client");
  return createClient({ url: redisUrl, socket: { connectTimeout: 10_000, reconnectStrategy: false } });
}

/** One that never connects, of which others are made: to make one anew takes 40 ms. */
let model: ReturnType<typeof makeClient> | undefined;

/** Resolves when somebody listens on each of these channels. */
export async function listened(channels: string[]): Promise<void> {
  const client = (await (model ??= makeClient())).duplicate();
  client.on("error", () => {});
  await client.connect();
  try {
    await eventually(
      async () => Object.values(await client.pubSubNumSub(channels)).every((count) => count === 1),
      `somebody listens on ${channels}`,
    );
  } finally {
    client.destroy();
  }
}

/** Says these texts on a channel, in one go: who listens there reads them in one piece. */
export async function publish(channel: string, texts: string[]): Promise<void> {
  const client = (await (model ??= makeClient())).duplicate();
  await client.connect();
  try {
    const together = client.multi();
    for (const text of texts) together.publish(channel, text);
    await together.exec();
  } finally {
    client.destroy();
  }
}
