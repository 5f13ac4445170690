// How long the turns of this process's event loop are.

import { DatabaseSync } from "node:sqlite";
import { assert } from "@std/assert";
import { cpuTime } from "./cpu_time.ts";

/** No turn of the loop is longer (ms). */
export const TURN = 20;
/** What else a machine does only makes a turn longer, as does a server that is not warm: so one round that is short is enough, of so many. */
const ROUNDS = 16;

/** In one round at least no turn is longer (ms). */
export async function assertShort(round: () => Promise<unknown>, most = TURN): Promise<void> {
  const longest: number[] = [];
  for (let i = 0; i < ROUNDS && longest.every((turn) => turn >= most); i++) {
    const turns = new Turns();
    await round();
    longest.push(turns.stop());
  }
  assert(Math.min(...longest) < most, `turns of ${longest.map((turn) => turn.toFixed(1))} ms`);
}

/**
 * Looks at every turn until it is stopped. A turn counts as what the process computed in it, if that is less than what the clock says: a machine with other
 * things to do makes no turn longer. Nor does one that computes more slowly for a while, since others compute on the same cores: what it takes for the same
 * work before and after is looked at, too.
 */
export class Turns {
  /** How many there were. */
  count = 0;
  #longest = 0;
  #going = true;
  readonly #slowness = slowness();
  #clock = performance.now();
  #cpu = cpuTime();

  constructor() {
    setImmediate(() => this.#turn());
  }

  /** @returns the longest (ms) */
  stop(): number {
    this.#going = false;
    this.#look();
    return this.#longest / ((this.#slowness + slowness()) / 2);
  }

  #turn(): void {
    if (!this.#going) return;
    this.count++;
    this.#look();
    setImmediate(() => this.#turn());
  }

  #look(): void {
    const clock = performance.now(), cpu = cpuTime();
    this.#longest = Math.max(this.#longest, Math.min(clock - this.#clock, cpu - this.#cpu));
    this.#clock = clock;
    this.#cpu = cpu;
  }
}

/** What the work takes where nothing else computes (ms), and how many times that at most: seen on one machine of two cores within a minute, 2.7 to 4.9. */
const WORK_MS = 2.7, SLOWEST = 2;
const table = new DatabaseSync(":memory:");
table.exec("CREATE TABLE t (a INTEGER, b INTEGER, c TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE INDEX i ON t (c)");
const fill = table.prepare(`WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000)
  INSERT INTO t SELECT x * 7919 % 2003, x, 'text ' || x FROM n`);
const clear = table.prepare("DELETE FROM t");

/** How many times as long as usual this machine takes now, 1 to 2: for 2,000 rows in and out of a table, which is what the longest turns do. */
function slowness(): number {
  const begun = cpuTime();
  fill.run();
  clear.run();
  return Math.min(SLOWEST, Math.max(1, (cpuTime() - begun) / WORK_MS));
}
