/** Whether this node can serve: its database and, if there is one, the bus answer. Said in the log whenever it changes. */
import { within } from "../within.ts";
import { log } from "./log.ts";

/** How long each may take to answer (ms). */
const READY_MS = 2000;

/** What must answer; each rejects if it cannot be used. */
export interface ReadinessParts {
  /** Whether the database takes reads and writes. */
  database(): Promise<void>;
  /** Whether the other nodes can be told of things. */
  bus(): Promise<void>;
}

/** Looks when it is asked. */
export class Readiness {
  readonly #parts: ReadinessParts;
  #lacked: string | undefined;

  /** Takes it for ready until it has looked. */
  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** What this node lacks, in words for everybody; undefined: it is ready. Never rejects. */
  async look(): Promise<string | undefined> {
    const { database, bus } = this.#parts;
    const [noDatabase, noBus] = await Promise.all([failure(database), failure(bus)]);
    const lacks = noDatabase && noBus
      ? "the database and the bus cannot be used"
      : noDatabase
      ? "the database cannot be used"
      : noBus
      ? "the bus is away"
      : undefined;
    if (lacks !== this.#lacked) {
      this.#lacked = lacks;
      if (lacks === undefined) log.info("ready again");
      else log.warning("not ready", { lacks, error: noDatabase ?? noBus });
    }
    return lacks;
  }
}

/** Why it did not answer, if so. */
async function failure(ask: () => Promise<void>): Promise<unknown> {
  let failed: unknown = new Error(`no answer within ${READY_MS} ms`);
  await within(ask().then(() => failed = undefined, (error) => failed = error ?? new Error("refused")), READY_MS);
  return failed;
}
