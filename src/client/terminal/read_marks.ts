/** Tells the server up to where the present conversation was seen: at most once a second, and nothing that a lost connection makes worth repeating. */
import type { NatterClient, Target } from "../natter_client.ts";
import { patiently } from "../patiently.ts";

/** How long a mark waits for a higher one (ms). */
const WAIT = 1000;

/** What was seen. */
export class ReadMarks {
  readonly #client: NatterClient;
  #waiting: { of: Target; messageid: number } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing was seen yet. */
  constructor(client: NatterClient) {
    this.#client = client;
  }

  /** Up to this message was seen; without a number: all that there is. */
  seen(of: Target, messageid = Number.MAX_SAFE_INTEGER): void {
    // It is on its way then, before anything else can wait.
    if (this.#waiting && JSON.stringify(this.#waiting.of) !== JSON.stringify(of)) void this.flush();
    this.#waiting = { of, messageid: Math.max(messageid, this.#waiting?.messageid ?? 0) };
    this.#timer ??= setTimeout(() => this.flush(), WAIT);
  }

  /** Tells it now. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!waiting) return;
    const { of, messageid } = waiting;
    if ("name" in of) return;
    await patiently(() => this.#client.read(of, messageid)).catch(() => {});
  }
}
