/** Requests that the server puts off. */
import { NatterError } from "./natter_client.ts";

/** How often a request is made again, and for how long the server may put it off (ms). */
const REQUEST_ATTEMPTS = 10, MOST_DELAY = 10_000;

/** Makes a request until the server takes it or refuses it, as long as it only says "later" (then it has done nothing). Rejects as the request does. */
export async function patiently<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await request();
    } catch (error) {
      const later = error instanceof NatterError && (error.errno === 15 || error.errno === 19);
      const delay = later ? error.retry ?? 1000 : Infinity;
      if (delay > MOST_DELAY || attempt === REQUEST_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}
