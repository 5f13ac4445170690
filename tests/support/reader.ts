// A device that puts together what comes by its log, and comes back when it was cut off.

import { loginDevice, type TestDevice } from "./devices.ts";
import type { RawClient } from "./raw_client.ts";
import { Screen } from "./shown.ts";

/** What devices connect to; a process can be another one later. */
export interface Connects {
  connect(): Promise<RawClient>;
}

/** A device that takes what comes when it must, and shows it. */
export class Reader {
  readonly screen: Screen;
  #login: Promise<RawClient> | undefined;

  constructor(readonly server: Connects, readonly device: TestDevice) {
    this.screen = new Screen(device.user.id);
  }

  /** Logs in, if it is not. Rejects when a later login of the same device comes first. */
  client(): Promise<RawClient> {
    return this.#login ??= loginDevice(this.server, this.device).then(({ client }) => client);
  }

  /** Takes what has come. */
  take(client: RawClient): void {
    for (const message of client.backlog.splice(0)) if (message.seq !== undefined) this.screen.take(message);
  }

  async leave(how: "close" | "rst"): Promise<void> {
    const login = this.#login;
    this.#login = undefined;
    // A login may have failed with the server.
    const client = await login?.catch(() => undefined);
    if (!client) return;
    await client[how]();
    this.take(client);
  }

  /** Takes all that there is; nothing happens any more. */
  async finish(): Promise<RawClient> {
    await this.leave("close");
    const { client, ack } = await loginDevice(this.server, this.device);
    this.#login = Promise.resolve(client);
    const { last } = ack.inbox as { last: number };
    while (this.screen.seq < last) this.screen.take(await client.next((m) => m.seq !== undefined));
    return client;
  }
}
