/**
 * `GET /export`: all that is kept of a user, to the user. Nobody knows how long it is: it is read while it is sent, and ends with a line that says so, by which what
 * broke off is told from what is whole.
 *
 * It looks through all messages there are, so between two looks it rests for longer than a look takes; and a user may ask for it only now and then.
 * That may last: before each look the token must still be good, so a device that is removed is told no more.
 */
import { Pause } from "../async/pause.ts";
import { type Answer, BrokenOff, type HttpRequest, text } from "../net/exchange.ts";
import type { Limits } from "../ops/limits.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import { exportOf } from "../store/export.ts";
import { type Account, type Store, StoreUnavailable } from "../store/store.ts";
import { bearer, unauthorized } from "./bearer.ts";
import type { Route } from "./routes.ts";

/** A rest is so many times as long as the look before it. */
const EXPORT_REST = 4;
/** Lines go out when there is so much of them (characters). */
const EXPORT_PIECE = 65_536;
/** At least so often something goes out (ms), be it a space before the next line: this server, proxies and clients cut what stands still for a minute. */
const EXPORT_SIGN_MS = 10_000;

/** Exports, those that are under way among them. */
export class Exports {
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #time: TrustedTime;
  readonly #resting = new Set<Pause>();
  #closed = false;

  /** Joins its parts. */
  constructor({ store, limits, time }: { store: Store; limits: Limits; time: TrustedTime }) {
    this.#store = store;
    this.#limits = limits;
    this.#time = time;
  }

  /** The route. */
  routes(): Route[] {
    return [{ method: "GET", path: "/export", answer: (request) => this.#answer(request) }];
  }

  /** Those under way break off. */
  close(): void {
    this.#closed = true;
    for (const pause of this.#resting) pause.stop();
  }

  async #answer(request: HttpRequest): Promise<Answer> {
    const owner = await bearer(request, this.#store, this.#time);
    if (!owner) return unauthorized();
    const retry = this.#limits.export(owner.account.id);
    if (retry > 0) return text(429, "you have had all that is kept of you a moment ago", { "retry-after": String(Math.ceil(retry / 1000)) });
    const headers = { "content-disposition": 'attachment; filename="natter-export.jsonl"', "cache-control": "no-store" };
    const body = { length: undefined, read: () => this.#lines(request, owner.account) };
    return { status: 200, type: "application/jsonl; charset=utf-8", body, headers };
  }

  async *#lines(request: HttpRequest, account: Account): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder(), pause = new Pause();
    this.#resting.add(pause);
    try {
      let begun = performance.now(), told = begun;
      const rest = async () => {
        await pause.for(EXPORT_REST * (performance.now() - begun));
        if (this.#closed) throw new BrokenOff("the server stops");
        begun = performance.now();
        if (!await bearer(request, this.#store, this.#time)) throw new BrokenOff("the token is not good any more");
      };
      let waiting = "";
      for await (const record of exportOf(this.#store, account, rest)) {
        if (record) waiting += JSON.stringify(record) + "\n";
        if (waiting.length < EXPORT_PIECE && performance.now() - told < EXPORT_SIGN_MS) continue;
        yield encoder.encode(waiting || " ");
        waiting = "";
        // What the client took to read it is no reason to rest.
        begun = told = performance.now();
      }
      yield encoder.encode(waiting);
    } catch (error) {
      // The node's loop says so.
      throw error instanceof StoreUnavailable ? new BrokenOff("the database is away", { cause: error }) : error;
    } finally {
      this.#resting.delete(pause);
    }
  }
}
