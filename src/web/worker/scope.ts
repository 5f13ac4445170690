/** What a service worker has instead of a window. */
export const worker = globalThis as unknown as ServiceWorkerGlobalScope;
