/** The messages of a conversation, and where in them the user is. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { day } from "../format.ts";
import { t } from "../i18n.ts";
import { type Conversation, isGroup, rowsOf } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Icon } from "./icons.tsx";
import { Message } from "./message.tsx";

/** So near to the top (px) older messages are asked for, and so near to the bottom it counts as the bottom. */
const NEAR_TOP = 600, NEAR_BOTTOM = 60;

export function Messages({ conversation, me }: { conversation: Conversation; me: number }): JSX.Element {
  const { talk } = useParts();
  const { key, history, more, older, lines, own } = conversation;
  const ref = useRef<HTMLDivElement>(null);
  const scroll = useScroll(ref, conversation);
  const empty = lines.length === 0 && own.length === 0;

  const onScroll = () => {
    scroll.onScroll();
    if (more && older !== "failed" && ref.current && ref.current.scrollTop < NEAR_TOP) void talk.loadOlder(key);
  };
  // A page may be shorter than the screen.
  useEffect(() => {
    if (history === "loaded" && more && older === "idle" && ref.current && ref.current.scrollTop < NEAR_TOP) void talk.loadOlder(key);
  }, [history, more, older, lines.length]);

  return (
    <div class="messages-frame">
      <div
        ref={ref}
        class="messages"
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={t.messages}
        aria-busy={history === "loading"}
        onScroll={onScroll}
        onClickCapture={scroll.onClick}
      >
        {(history === "loading" && empty || older === "loading") && <p class="aside">{t.loading}</p>}
        {(history === "failed" || older === "failed") && (
          <p class="aside">
            {t.historyFailed}{" "}
            <button type="button" class="link" onClick={() => void (history === "failed" ? talk.loadNewest(key) : talk.loadOlder(key))}>
              {t.again}
            </button>
          </p>
        )}
        {history === "loaded" && !more && <Beginning conversation={conversation} me={me} empty={empty} />}
        <ol>
          {rowsOf(conversation).map((row) => {
            if (row.kind === "date") {
              return (
                <li key={row.id} class="date">
                  <span>{day(row.ts)}</span>
                </li>
              );
            }
            if (row.kind === "divider") {
              return (
                <li key={row.id} class="divider">
                  <span>{t.newMessages}</span>
                </li>
              );
            }
            const { line, first, last } = row;
            return <Message key={row.id} conversation={key} line={line} mine={line.id === me} named={isGroup(key)} first={first} last={last} />;
          })}
        </ol>
      </div>
      {!scroll.atBottom && (
        <button type="button" class="to-newest" aria-label={t.toNewest} title={t.toNewest} onClick={scroll.toBottom}>
          <Icon name="down" />
          {scroll.missed > 0 && <span class="badge">{scroll.missed}</span>}
        </button>
      )}
    </div>
  );
}

function Beginning({ conversation: { key, name }, me, empty }: { conversation: Conversation; me: number; empty: boolean }): JSX.Element {
  if (!empty) return <p class="aside">{t.begin}</p>;
  const hint = key === `u${me}` ? t.notesHint : isGroup(key) ? t.sayHelloAll : t.sayHello(name);
  return <p class="aside hello">{hint}</p>;
}

/** Where the user is: at the bottom, or at a message, whose place on the screen is to stay (`top`, in px below the upper edge). */
type Place = { bottom: true } | { bottom: false; row: Element | undefined; top: number };

/**
 * Keeps what the user looks at where it is, whatever comes above or below, and whatever changes its size: the window, the keyboard of a phone, the field that is
 * written in, a text that unfolds. At the bottom, follows what comes.
 */
function useScroll(ref: { current: HTMLDivElement | null }, { key, lines, own, history, older, divider }: Conversation) {
  const [atBottom, setAtBottom] = useState(true);
  const [seenLast, setSeenLast] = useState(0);
  const before = useRef({ key: "", mine: 0, placed: false, height: 0, room: 0, place: { bottom: true } as Place });
  const first = lines[0]?.messageid ?? 0, last = lines.at(-1)?.messageid ?? 0;

  /** Remembers where the user is. */
  const look = () => {
    const box = ref.current!, was = before.current;
    was.height = box.scrollHeight;
    was.room = box.clientHeight;
    const bottom = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM;
    was.place = bottom ? { bottom } : placeOf(box);
    setAtBottom(bottom);
  };
  /** Brings the user back there. */
  const restore = () => {
    const box = ref.current!, { place } = before.current;
    if (place.bottom) box.scrollTop = box.scrollHeight;
    else if (place.row?.isConnected) box.scrollTop += topOf(place.row, box) - place.top;
    look();
  };
  // Not the user's doing, if sizes are others: the browser keeps the distance from the top, whatever is there.
  const onScroll = () => {
    const box = ref.current!, was = before.current;
    if (box.scrollHeight !== was.height || box.clientHeight !== was.room) restore();
    else look();
  };
  const toBottom = () => {
    before.current.place = { bottom: true };
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
    if (was.key !== key || !was.placed) {
      was.place = line && history === "loaded" ? { bottom: false, row: line, top: box.clientHeight / 4 } : { bottom: true };
    } else if (own.length > was.mine) {
      was.place = { bottom: true };
    }
    Object.assign(was, { key, mine: own.length, placed: history !== "unknown" && history !== "loading" });
    restore();
  }, [key, first, last, own, history, older, divider]);

  useEffect(() => {
    if (atBottom) setSeenLast(last);
  }, [atBottom, last]);

  useLayoutEffect(() => {
    const box = ref.current!;
    const observer = new ResizeObserver(restore);
    for (const element of [box, ...box.children]) observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const missed = atBottom ? 0 : lines.filter((line) => line.messageid > seenLast).length;
  return { atBottom, missed, onScroll, onClick, toBottom };
}

/** The row that the reader's eye is most likely on: the first that is wholly on the screen, or else the one that fills it. */
function placeOf(box: Element): Place {
  const rows = box.querySelectorAll("ol > li");
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
