/** Which language the user chose, where the service worker finds it, which has no localStorage. */

export type Language = "en" | "zh";

const LANGUAGE = "language";

/** The first of those that the browser prefers that there is. */
export function preferredLanguage(): Language {
  return navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag === "en" || tag === "zh") === "zh" ? "zh" : "en";
}

/** As the user chose in the page, or as the browser prefers. Never rejects. */
export async function keptLanguage(): Promise<Language> {
  try {
    const chosen = await (await (await caches.open(LANGUAGE)).match(LANGUAGE))?.text();
    return chosen === "zh" || chosen === "en" ? chosen : preferredLanguage();
  } catch {
    return preferredLanguage();
  }
}

/** Keeps what the user chose. Where there is no service worker nobody asks for it. Never rejects. */
export async function keepLanguage(chosen: Language): Promise<void> {
  try {
    await (await caches.open(LANGUAGE)).put(LANGUAGE, new Response(chosen));
  } catch {
    // Over plain HTTP, or the disk is full.
  }
}
