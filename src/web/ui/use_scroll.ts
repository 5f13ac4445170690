/** Where in a conversation the user is, and what has been on the screen. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Conversation } from "../state/model.ts";
import { useParts } from "./context.ts";

/** So near to an end (px) more messages are asked for, and so near to the bottom it counts as the bottom. */
const NEAR_END = 600, NEAR_BOTTOM = 60;
/** So little of a message may be hidden (px). */
const SLACK = 6;
/** How long a message that was looked for is marked (ms). */
const MARKED = 1600;

/**
 * Where the user is: at the bottom, or as near to it as counts as that (`below`: px), or at a message, whose place on the screen is to stay (`top`, in px below the
 * upper edge).
 */
type Place = { bottom: true; below: number } | { bottom: false; row: Element | undefined; top: number };
const END: Place = { bottom: true, below: 0 };

interface Scroll {
  atBottom: boolean;
  onScroll(): void;
  onClick(event: Event): void;
  toBottom(): void;
}

/**
 * Keeps what the user looks at where it is, whatever comes above or below, and whatever changes its size: the window, the keyboard of a phone, the field that is
 * written in, a text that unfolds. At the bottom, follows what comes.
 */
export function useScroll(ref: { current: HTMLDivElement | null }, conversation: Conversation): Scroll {
  const { key, lines, own, history, older, newer, divider, more, moreafter, target } = conversation;
  const { talk } = useParts();
  const [atBottom, setAtBottom] = useState(true);
  const before = useRef({ key: "", mine: 0, placed: false, last: 0, height: 0, room: 0, from: 0, target, down: false, place: END });
  const first = lines[0]?.messageid ?? 0, last = lines.at(-1)?.messageid ?? 0;

  /** As it is, for what was begun in an earlier drawing. */
  const now = useRef(conversation);
  now.current = conversation;

  /** Remembers where the user is. */
  const look = () => {
    const box = ref.current!, was = before.current;
    was.height = box.scrollHeight;
    was.room = box.clientHeight;
    was.from = box.scrollTop;
    const below = box.scrollHeight - box.scrollTop - box.clientHeight;
    const bottom = below < NEAR_BOTTOM && !now.current.moreafter;
    was.place = bottom ? { bottom, below: Math.max(0, below) } : placeOf(box);
    setAtBottom(bottom);
    talk.following = bottom;
    if (!was.placed || now.current.history !== "loaded") return;
    talk.saw(key, seenOf(box));
    const { more, older, moreafter, newer } = now.current;
    // Not again by itself if it failed: without a connection that would not end.
    if (more && older === "idle" && box.scrollTop < NEAR_END) void talk.pages.older(key);
    if (moreafter && newer === "idle" && below < NEAR_END) void talk.pages.newer(key);
  };
  /** Brings the user back there. */
  const restore = () => {
    const box = ref.current!, { place } = before.current;
    if (place.bottom) box.scrollTop = box.scrollHeight - box.clientHeight - place.below;
    else if (place.row?.isConnected) box.scrollTop += topOf(place.row, box) - place.top;
    look();
  };
  // If sizes are others the browser keeps the distance from the top, whatever is there, or as much of it as there is: any other one is the user's doing.
  const settle = () => {
    const box = ref.current!, was = before.current;
    const kept = Math.min(was.from, box.scrollHeight - box.clientHeight);
    if (Math.abs(box.scrollTop - kept) <= 1) restore();
    else look();
  };
  const onScroll = () => {
    const box = ref.current!, was = before.current;
    if (box.scrollHeight !== was.height || box.clientHeight !== was.room) settle();
    else look();
  };
  const toBottom = () => {
    if (moreafter) {
      before.current.down = true;
      return void talk.pages.newest(key);
    }
    before.current.place = END;
    restore();
  };
  // A text that the user unfolds is read from where it begins.
  const onClick = ({ target }: Event) => {
    const row = target instanceof Element && target.closest("button[aria-expanded]") && target.closest(".message");
    if (row) before.current.place = { bottom: false, row, top: topOf(row, ref.current!) };
  };

  useLayoutEffect(() => {
    const box = ref.current!, was = before.current;
    const line = box.querySelector(".divider");
    // Who scrolls in the very frame in which messages come or go is told of later: that is not undone.
    const moved = box.scrollTop - Math.min(was.from, box.scrollHeight - box.clientHeight);
    if (!was.place.bottom) was.place = { ...was.place, top: was.place.top - moved };
    else if (moved < -1) was.place = placeOf(box);
    // What comes is followed to the very end: nothing else is.
    else was.place = last > was.last ? END : { bottom: true, below: Math.max(0, was.place.below - moved) };
    const aim = target && target !== was.target ? box.querySelector(`[data-id="${target.messageid}"]`) : null;
    if (was.key !== key || !was.placed) {
      was.place = line && history === "loaded" ? { bottom: false, row: line, top: box.clientHeight / 4 } : END;
    } else if ((own.length > was.mine || was.down) && !moreafter) {
      was.place = END;
      was.down = false;
    }
    if (aim) was.place = { bottom: false, row: aim, top: box.clientHeight / 3 };
    Object.assign(was, { key, last, mine: own.length, placed: history !== "unknown" && history !== "loading", target: aim ? target : was.target });
    restore();
    if (aim) mark(aim);
  }, [key, first, last, own, history, older, newer, divider, more, moreafter, target]);

  // What stands on a page that was behind another one is seen when that is before it.
  useEffect(() => {
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);

  useLayoutEffect(() => {
    const box = ref.current!;
    const observer = new ResizeObserver(settle);
    for (const element of [box, ...box.children]) observer.observe(element);
    return () => observer.disconnect();
  }, []);

  return { atBottom, onScroll, onClick, toBottom };
}

/** Leads the eye to a message, and the focus. */
function mark(row: Element): void {
  row.querySelector<HTMLElement>(".more")?.focus({ preventScroll: true });
  row.querySelector(".bubble")?.animate([{ outline: "3px solid var(--accent)" }, { outline: "3px solid transparent" }], {
    duration: MARKED,
    easing: "ease-in",
  });
}

/** The last message that is on the screen with its end; or, if it is taller than the screen, with most of what there is room for. 0: none. */
function seenOf(box: Element): number {
  const rows = box.querySelectorAll<HTMLElement>("li[data-id]");
  const room = box.clientHeight;
  // By halves: there may be thousands.
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const top = topOf(rows[middle], box), height = rows[middle].offsetHeight;
    if (top + Math.min(height, room / 2) <= room + SLACK) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : Number(rows[low - 1].dataset.id);
}

/** The row that the reader's eye is most likely on: the first that is wholly on the screen, or else the one that fills it. */
function placeOf(box: Element): Place {
  // A date goes when an older message of that day comes, and the line above what is new when that is read.
  const rows = box.querySelectorAll("ol > li:not(.date, .divider)");
  // By halves: there may be thousands.
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (topOf(rows[middle], box) < 0) low = middle + 1;
    else high = middle;
  }
  const whole = rows[low];
  const row = whole && topOf(whole, box) < box.clientHeight ? whole : rows[low - 1] ?? whole;
  return { bottom: false, row, top: row ? topOf(row, box) : 0 };
}

/** How far below the upper edge of the box it begins (px). */
function topOf(row: Element, box: Element): number {
  return row.getBoundingClientRect().top - box.getBoundingClientRect().top;
}
