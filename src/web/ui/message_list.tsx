/** The messages of a conversation. */
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useCallback, useRef, useState } from "preact/hooks";
import type { Members } from "../../client/natter_client.ts";
import { countOf, day } from "../format.ts";
import { t } from "../i18n.ts";
import { type Conversation, hasText, isGroup, type Line, rowsOf } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Happened } from "./happened.tsx";
import { Icon } from "./icons.tsx";
import { memo } from "./memo.ts";
import { anchorOf } from "./menu.tsx";
import { useNamed } from "./mentioning.tsx";
import { Message } from "./message.tsx";
import { MessageMenu, type OpenMenu } from "./message_menu.tsx";
import { useScroll } from "./use_scroll.ts";

interface Props {
  conversation: Conversation;
  me: number;
  myName: string;
  members: Members | undefined;
  /** By which dates are told. */
  today: string;
}

export const MessageList = memo(({ conversation, me, myName, members }: Props): JSX.Element => {
  const { talk } = useParts();
  const { key, history, kept, more, moreafter, older, newer, lines, own, unread, quoted, peerread } = conversation;
  const ref = useRef<HTMLDivElement>(null);
  const scroll = useScroll(ref, conversation);
  const mentions = useNamed(conversation, members, myName);
  const [menu, setMenu] = useState<OpenMenu>();
  const open = useCallback((line: Line, event: MouseEvent) => setMenu({ line, anchor: anchorOf(event, event.currentTarget as Element) }), []);
  const empty = lines.every((line) => line.event) && own.length === 0;
  const here = new Map(lines.map((line) => [line.messageid, line]));
  const quotedOf = ({ reply }: Line) => reply === undefined ? undefined : here.get(reply) ?? quoted.get(reply);
  const newest = lines.findLast(hasText)?.messageid;
  const again = () => void (history === "failed" ? talk.pages.newest(key) : older === "failed" ? talk.pages.older(key) : talk.pages.newer(key));

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
        onScroll={scroll.onScroll}
        onClickCapture={scroll.onClick}
        onKeyDown={walk}
      >
        {(history === "loading" && empty || older === "loading") && <p class="aside">{t.loading}</p>}
        {kept && <p class="aside">{t.keptOnly}</p>}
        {(history === "failed" && !kept || older === "failed") && <Failed again={again} />}
        {history === "loaded" && !more && <Beginning conversation={conversation} me={me} empty={empty} alone={members?.count === 1} />}
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
            if (row.kind === "event") return <Happened key={row.id} event={row.event} me={me} />;
            const { line, first, last } = row;
            return (
              <Message
                key={row.id}
                conversation={key}
                line={line}
                me={me}
                named={isGroup(key)}
                mentions={mentions}
                first={first}
                last={last}
                read={line.id === me && line.messageid !== 0 && line.messageid <= peerread}
                quoted={quotedOf(line)}
                reachable={line.messageid === newest}
                open={open}
              />
            );
          })}
        </ol>
        {moreafter && newer === "loading" && <p class="aside">{t.loading}</p>}
        {newer === "failed" && <Failed again={again} />}
      </div>
      {!scroll.atBottom && (
        <button type="button" class="to-newest" aria-label={t.toNewest} title={t.toNewest} onClick={scroll.toBottom}>
          <Icon name="down" />
          {unread > 0 && <span class="badge">{countOf(unread)}</span>}
        </button>
      )}
      {menu && <MessageMenu conversation={key} open={menu} close={() => setMenu(undefined)} />}
    </div>
  );
});

function Failed({ again }: { again: () => void }): JSX.Element {
  return (
    <p class="aside">
      {t.historyFailed} <button type="button" class="link" onClick={again}>{t.again}</button>
    </p>
  );
}

/** Arrows go from message to message. */
function walk(event: TargetedKeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !(event.target instanceof HTMLElement) || !event.target.matches(".more")) return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>(".more")];
  event.preventDefault();
  buttons[buttons.indexOf(event.target) + step]?.focus();
}

/** `alone`: nobody else is in the group. */
function Beginning(
  { conversation: { key, name }, me, empty, alone }: { conversation: Conversation; me: number; empty: boolean; alone: boolean },
): JSX.Element {
  const { store } = useParts();
  if (!empty) return <p class="aside">{t.begin}</p>;
  if (isGroup(key) && alone) {
    return (
      <p class="aside hello">
        {t.sayHelloNobody} <button type="button" class="link" onClick={() => store.update({ dialog: "invite" })}>{t.inviteToGroup}</button>
      </p>
    );
  }
  const hint = key === `u${me}` ? t.notesHint : isGroup(key) ? t.sayHelloAll : t.sayHello(name);
  return <p class="aside hello">{hint}</p>;
}
