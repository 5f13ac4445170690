/** Icons, drawn for natter on a grid of 24. They say nothing to a screen reader: the button around them does. */
import type { JSX } from "preact";

const PATHS = {
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
  checks: "M2.5 12.5l4.5 4.5L16 7.5M12 16.5l.5.5L22 7.5",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4.5l3 1.8",
  alert: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v5M12 16v.1",
  up: "M6 14.5l6-6 6 6",
  down: "M6 9.5l6 6 6-6",
  search: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15 15l4.5 4.5",
  send: "M5 12l-1-7 17 7-17 7 1-7h7",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 11v5M12 8v.1",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  more: "M5.5 12h.1M12 12h.1M18.5 12h.1",
  reply: "M10 6l-6 6 6 6M4 12h10a6 6 0 0 1 6 6",
  forward: "M14 6l6 6-6 6M20 12H10a6 6 0 0 0-6 6",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  edit: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  flag: "M6 21V4M6 5h12l-3 4 3 4H6",
  smile: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M9 14a3.5 3.5 0 0 0 6 0M9.3 9.8v.1M14.7 9.8v.1",
  muted: "M6 16h12l-1.5-2.5V10a4.5 4.5 0 0 0-9 0v3.5zM10.5 19h3M4 4l16 16",
  bell: "M6 16h12l-1.5-2.5V10a4.5 4.5 0 0 0-9 0v3.5zM10.5 19h3",
  crown: "M4 18h16M5 15l-1-8 5 4 3-6 3 6 5-4-1 8z",
  person: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4.5 20a7.5 7.5 0 0 1 15 0",
  shield: "M12 4l7 2.5V12c0 4-3 6.5-7 8-4-1.5-7-4-7-8V6.5z",
  leave: "M14 5H6v14h8M10 12h10M16.5 8.5L20 12l-3.5 3.5",
  ban: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M6.5 6.5l11 11",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  pin: "M9 4h6l-.7 6 3.2 3.5h-11L9.7 10zM12 13.5V20",
  clip: "M19 11.5l-7.5 7.5a4.5 4.5 0 0 1-6.4-6.4l8-8a3 3 0 0 1 4.3 4.3l-7.9 7.9a1.5 1.5 0 0 1-2.1-2.1l7-7",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  archive: "M4 5h16v4H4zM5.5 9v10h13V9M10 13h4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
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
