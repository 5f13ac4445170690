/** Whether this node can serve: its database and, if there is one, the bus answer. That the database does not is said in the log; the bus says it of itself. */
import { within } from "../async/within.ts";
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
  #hadDatabase = true;

  /** Takes the database for there until it has looked. */
  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** What this node lacks, in words for everybody; undefined: it is ready. Never rejects. */
  async look(): Promise<string | undefined> {
    const { database, bus } = this.#parts;
    const [noDatabase, noBus] = await Promise.all([failure(database), failure(bus)]);
    if (this.#hadDatabase !== (noDatabase === undefined)) {
      this.#hadDatabase = !this.#hadDatabase;
      if (noDatabase === undefined) log.info("the database can be used again");
      else log.warning("the database cannot be used", { error: noDatabase });
    }
    if (noDatabase !== undefined) return noBus === undefined ? "the database cannot be used" : "the database and the bus cannot be used";
    return noBus === undefined ? undefined : "the bus is away";
  }
}

/** Why it did not answer, if so. */
async function failure(ask: () => Promise<void>): Promise<unknown> {
  let failed: unknown = new Error(`no answer within ${READY_MS} ms`);
  await within(ask().then(() => failed = undefined, (error) => failed = error ?? new Error("refused")), READY_MS);
  return failed;
}
