/** In which language the page speaks: the browser's, unless the user chose. */
import { keepLanguage, type Language, preferredLanguage } from "./language.ts";
import { readPreference, writePreference } from "./state/storage.ts";
import { english, type Texts } from "./texts_en.ts";
import { chinese } from "./texts_zh.ts";

export type { Language };

/** The texts of the present language. */
export let t: Texts = english;
/** The present language. */
export let language: Language = "en";

/** As the user chose, or as the browser prefers. */
export function initLanguage(): void {
  const chosen = readPreference("language");
  use(chosen === "zh" || chosen === "en" ? chosen : preferredLanguage());
}

/** The user chooses. Whoever shows texts has to do so anew. */
export function chooseLanguage(chosen: Language): void {
  writePreference("language", chosen);
  void keepLanguage(chosen);
  use(chosen);
}

function use(chosen: Language): void {
  language = chosen;
  t = chosen === "zh" ? chinese : english;
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
}
