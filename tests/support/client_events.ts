import { deadline } from "@std/async/deadline";
import type { ClientEvents, NatterClient } from "../../src/client/natter_client.ts";

/** How long a test waits for an event (ms). */
const PATIENCE = 30_000;

/** The next event of that kind that `matches`. */
export function event<K extends keyof ClientEvents>(
  client: NatterClient,
  name: K,
  matches: (event: ClientEvents[K]) => boolean = () => true,
): Promise<ClientEvents[K]> {
  const next = new Promise<ClientEvents[K]>((resolve) => {
    const off = client.on(name, (event) => {
      if (!matches(event)) return;
      off();
      resolve(event);
    });
  });
  return deadline(next, PATIENCE);
}
