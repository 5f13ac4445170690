/** Light or dark: as the device has it, unless the user chose. */
import { readPreference, writePreference } from "./state/storage.ts";

export type Theme = "system" | "light" | "dark";

export function theme(): Theme {
  const chosen = readPreference("theme");
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function chooseTheme(chosen: Theme): void {
  writePreference("theme", chosen === "system" ? undefined : chosen);
  applyTheme();
}

/** The style sheet does the rest. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = theme();
}
