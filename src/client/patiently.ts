/** Requests that the server puts off. */
import { NatterError } from "./natter_client.ts";

/** How often a request is made again, and for how long the server may put it off (ms). */
const REQUEST_ATTEMPTS = 10, MOST_DELAY = 10_000;

/**
 * Makes a request until the server takes it or refuses it, as long as it only says "later". Rejects as the request does.
 *
 * After 19 it may have been done all the same: `once` is for what must not be done twice, and has only 15 for a "later".
 */
export async function patiently<T>(request: () => Promise<T>, { once = false } = {}): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await request();
    } catch (error) {
      const later = error instanceof NatterError && (error.errno === 15 || error.errno === 19 && !once);
      const delay = later ? error.retry ?? 1000 : Infinity;
      if (delay > MOST_DELAY || attempt === REQUEST_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}
