/** natter's service worker: what the page does when there is no network, or no page. Each thing it does is a module of its own. */
import { openWithoutNetwork } from "./offline.ts";
import { sayWhoWrote } from "./push.ts";
import { worker } from "./scope.ts";

// It knows no version of the page, so that the newest one serves them all.
worker.addEventListener("install", () => void worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
openWithoutNetwork();
sayWhoWrote();
