/** Waits for a promise, but no longer than `ms`. Rejects if the promise does so in time. */
export async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([promise, new Promise((resolve) => timer = setTimeout(resolve, Math.max(0, ms)))]);
  } finally {
    clearTimeout(timer);
  }
}
