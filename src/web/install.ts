/** Makes the page one that opens without a network, and can be installed. */

/** So long after it is there (ms): nothing is to be taken from what the user waits for. */
const LATER = 1000;

/** The types of the browser's own check of what is run as a script, which TypeScript does not have yet. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** Registers the service worker, where there is one: not over plain HTTP from another machine. There the page works as it always did. */
export function install(): void {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  // The only address that the page may run a worker from.
  const rules = { createScriptURL: () => "worker.js" };
  const url = (trustedTypes?.createPolicy("worker", rules) ?? rules).createScriptURL("");
  const register = () => void serviceWorker.register(url, { updateViaCache: "none" }).catch(() => {});
  const later = () => setTimeout(register, LATER);
  if (document.readyState === "complete") later();
  else addEventListener("load", later);
}
