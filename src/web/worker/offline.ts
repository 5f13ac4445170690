/**
 * Opens the page when the server cannot be reached.
 *
 * Rules:
 *
 * 1. Whether the page is up to date decides the server: it is asked first, each time the page is opened. Only if it does not answer, or cannot, the page comes from
 *    the cache. So a new version is taken at the next load, and none can be stuck.
 * 2. The page names its parts by their content (`app.js?v=HASH`), and the server says which answer is that very content (`immutable`): such a part never changes.
 *    Only those are kept, and come from the cache without being asked for. So parts of two versions are never mixed.
 * 3. The cache has one version, whole: the page is put there when all its parts are, and then what it does not name goes.
 * 4. Nothing else is kept: no file of a user, no answer that is not the same for everybody.
 */
import { worker } from "./scope.ts";

const CACHE = "natter";
/** How long the server may take to answer (ms) before the page comes from the cache. What it answers later is kept all the same. */
const ANSWER_WITHIN = 2500;
/** What the page names: as `tools/build_page.ts` writes it. */
const PARTS_NAMED = /(?:href|src)="([^"]+\?v=[^"]+)"/g;

/** Answers for the page and its parts from now on. */
export function openWithoutNetwork(): void {
  // The page that is open came without this worker.
  worker.addEventListener("install", (event) => event.waitUntil(fetch(page()).then(keep).catch(() => {})));
  // The server is asked while the worker starts.
  worker.addEventListener("activate", (event) => event.waitUntil(worker.registration.navigationPreload?.enable()));
  worker.addEventListener("fetch", (event) => {
    const { request } = event;
    const { origin, pathname, searchParams } = new URL(request.url);
    if (request.mode === "navigate") {
      const isPage = [page(), `${page()}index.html`].includes(origin + pathname);
      event.respondWith(isPage ? open(event) : asked(event));
    } else if (request.method === "GET" && origin === worker.location.origin && searchParams.has("v")) {
      event.respondWith(part(request));
    }
  });
}

/** Where the page stands. */
function page(): string {
  return worker.registration.scope;
}

/** What the server answers. */
async function asked(event: FetchEvent): Promise<Response> {
  return await event.preloadResponse ?? await fetch(event.request);
}

/** The page, from the server if that is there (rule 1). */
async function open(event: FetchEvent): Promise<Response> {
  const answer = asked(event);
  event.waitUntil(answer.then((response) => keep(response.clone())).catch(() => {}));
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, ANSWER_WITHIN));
  const response = await Promise.race([answer, late]).catch(() => undefined);
  // That nobody answered is an answer, too, in Firefox, where it asked ahead of the worker. A proxy answers for a server that is away; and a server that has
  // too much to do is left alone.
  if (response && response.type !== "error" && response.status < 500 && response.status !== 429) return response;
  return await kept(page()) ?? await answer;
}

/** A part of the page, by its content (rule 2). */
async function part(request: Request): Promise<Response> {
  return await kept(request.url) ?? await fetch(request);
}

async function kept(url: string): Promise<Response | undefined> {
  // How it was compressed on its way does not matter any more.
  return await (await caches.open(CACHE)).match(url, { ignoreVary: true });
}

let keeping = Promise.resolve();

/** Keeps the page, one after the other: of two versions at once each would take the other's parts for what is not needed (rule 3). */
function keep(response: Response): Promise<void> {
  return keeping = keeping.catch(() => {}).then(() => replace(response));
}

/** Keeps the page, if it is another one than is kept (rule 3). */
async function replace(response: Response): Promise<void> {
  if (!response.ok || response.redirected) return;
  const before = await kept(page());
  const html = await response.clone().text();
  if (before && await before.text() === html) return;
  const cache = await caches.open(CACHE);
  const names = Array.from(html.matchAll(PARTS_NAMED), ([, name]) => new URL(name!, page()).href);
  // Whatever that is, it is not the page.
  if (names.length === 0) return;
  await Promise.all(names.map(async (name) => {
    if (await kept(name)) return;
    const answer = await fetch(name);
    // Where versions change at this moment another server may have answered.
    if (!answer.ok || !answer.headers.get("cache-control")?.includes("immutable")) throw new Error(`${name} is not there`);
    await cache.put(name, answer);
  }));
  await cache.put(page(), response);
  const needed = new Set([page(), ...names]);
  for (const { url } of await cache.keys()) if (!needed.has(url)) await cache.delete(url);
}
