/** Icons, drawn for natter on a grid of 24. They say nothing to a screen reader: the button around them does. */
import type { JSX } from "preact";

const PATHS = {
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4.5l3 1.8",
  alert: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v5M12 16v.1",
  down: "M6 9.5l6 6 6-6",
  search: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15 15l4.5 4.5",
  send: "M5 12l-1-7 17 7-17 7 1-7h7",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 11v5M12 8v.1",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Two bubbles: one speaks, one answers. */
export function Logo(): JSX.Element {
  return (
    <svg class="logo" viewBox="0 0 64 64" aria-hidden="true">
      <path class="logo-answer" d="M30 26h20a8 8 0 0 1 8 8v12a8 8 0 0 1-8 8h-1v7l-9-7H30a8 8 0 0 1-8-8V34a8 8 0 0 1 8-8z" />
      <path class="logo-speak" d="M14 5h26a9 9 0 0 1 9 9v13a9 9 0 0 1-9 9H25l-11 9v-9a9 9 0 0 1-9-9V14a9 9 0 0 1 9-9z" />
      <path class="logo-dots" d="M17 20.5h.1M27 20.5h.1M37 20.5h.1" />
    </svg>
  );
}
