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
  const { key, history, more, loadingOlder, lines, own } = conversation;
  const ref = useRef<HTMLDivElement>(null);
  const scrolled = useScroll(ref, conversation);
  const empty = lines.length === 0 && own.length === 0;

  const onScroll = () => {
    scrolled.look();
    if (more && ref.current && ref.current.scrollTop < NEAR_TOP) void talk.loadOlder(key);
  };
  // A page may be shorter than the screen.
  useEffect(() => {
    if (history === "loaded" && more && !loadingOlder && ref.current && ref.current.scrollTop < NEAR_TOP) void talk.loadOlder(key);
  }, [history, more, loadingOlder, lines.length]);

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
      >
        {history === "loading" && empty && <p class="aside">{t.loading}</p>}
        {loadingOlder && <p class="aside">{t.loading}</p>}
        {history === "failed" && (
          <p class="aside">
            {t.historyFailed} <button type="button" class="link" onClick={() => void talk.loadNewest(key)}>{t.again}</button>
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
      {!scrolled.atBottom && (
        <button type="button" class="to-newest" aria-label={t.toNewest} title={t.toNewest} onClick={scrolled.toBottom}>
          <Icon name="down" />
          {scrolled.missed > 0 && <span class="badge">{scrolled.missed}</span>}
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

/** Keeps what the user looks at where it is, whatever comes above or below; at the bottom, follows what comes. */
function useScroll(ref: { current: HTMLDivElement | null }, { key, lines, own, history, divider }: Conversation) {
  const [atBottom, setAtBottom] = useState(true);
  const [seenLast, setSeenLast] = useState(0);
  const before = useRef({ key: "", first: 0, mine: 0, height: 0, top: 0, bottom: true, placed: false });
  const first = lines[0]?.messageid ?? 0, last = lines.at(-1)?.messageid ?? 0;

  const look = () => {
    const box = ref.current;
    if (!box) return;
    const bottom = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM;
    Object.assign(before.current, { height: box.scrollHeight, top: box.scrollTop, bottom });
    setAtBottom(bottom);
  };
  const toBottom = () => {
    ref.current!.scrollTop = ref.current!.scrollHeight;
    look();
  };

  useLayoutEffect(() => {
    const box = ref.current!, was = before.current;
    const fresh = was.key !== key || !was.placed;
    const line = fresh && history === "loaded" ? box.querySelector(".divider") : null;
    if (fresh) {
      box.scrollTop = line instanceof HTMLElement ? line.offsetTop - box.clientHeight / 4 : box.scrollHeight;
    } else if (was.bottom || own.length > was.mine) {
      box.scrollTop = box.scrollHeight;
    } else if (first < was.first) {
      box.scrollTop = was.top + box.scrollHeight - was.height;
    }
    Object.assign(was, { key, first, mine: own.length, placed: history !== "unknown" && history !== "loading" });
    look();
  }, [key, first, last, own, history, divider]);

  useEffect(() => {
    if (atBottom) setSeenLast(last);
  }, [atBottom, last]);

  // The keyboard of a phone, a window's edge, the composer growing.
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => before.current.bottom && toBottom());
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, []);

  const missed = atBottom ? 0 : lines.filter((line) => line.messageid > seenLast).length;
  return { atBottom, missed, look, toBottom };
}
