/** All conversations, the last that moved first. */
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { shortTime } from "../format.ts";
import { t } from "../i18n.ts";
import { type Conversation, isGroup, type Key, newestOf, numberOf } from "../state/model.ts";
import { sorted, type State } from "../state/store.ts";
import { Avatar } from "./avatar.tsx";
import { Connection } from "./connection.tsx";
import { useParts } from "./context.ts";
import { presenceText, typingText } from "./conversation.tsx";
import { Icon } from "./icons.tsx";
import { memo } from "./memo.ts";
import { useRequest } from "./use_request.ts";

export function ConversationList({ state }: { state: State }): JSX.Element {
  const { store, route, talk } = useParts();
  const [search, setSearch] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const { me, conversations, open } = state;
  const all = sorted(conversations);
  const wanted = search.trim().toLowerCase();
  const shown = wanted === "" ? all : all.filter((c) => nameOf(c, me.id).toLowerCase().includes(wanted));
  const alone = useNarrow() && open === undefined;
  useShortcuts(field, shown.map((c) => c.key), open);

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    // While characters are being composed, the keys are the input method's.
    if (step === undefined || isComposing(event)) return;
    if (event.target === field.current && event.key !== "ArrowDown") return;
    event.preventDefault();
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>("li > button")];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
  };

  return (
    // On a phone it is all there is, until a conversation is opened.
    <section class="sidebar" role={alone ? "main" : "navigation"} aria-label={t.conversations} onKeyDown={onKeyDown}>
      {alone && <h1 class="hidden">{t.conversations}</h1>}
      <header>
        <button type="button" class="profile" aria-label={t.settings} title={t.settings} onClick={() => store.update({ dialog: "settings" })}>
          <Avatar id={me.id} name={me.name} />
        </button>
        <label class="search">
          <Icon name="search" />
          <input
            ref={field}
            type="search"
            value={search}
            placeholder={t.search}
            aria-label={t.search}
            onInput={(event) => setSearch(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || shown.length === 0 || isComposing(event)) return;
              setSearch("");
              route.open(shown[0].key);
            }}
          />
        </label>
        <button
          type="button"
          class="round primary"
          aria-label={t.newConversation}
          title={t.newConversation}
          onClick={() => store.update({ dialog: "new" })}
        >
          <Icon name="plus" />
        </button>
      </header>
      <Connection connection={state.connection} />
      {all.length === 0 && state.connection.state === "online" && <Empty state={state} />}
      {all.length > 0 && shown.length === 0 && <NotFound key={search.trim()} name={search.trim()} found={() => setSearch("")} />}
      <ul class="list">
        {shown.map((c, i) => {
          const friend = isGroup(c.key) || state.connection.state !== "online" ? undefined : state.friends.get(numberOf(c.key));
          const typists = state.typing.get(c.key);
          return (
            <Item
              key={c.key}
              conversation={c}
              me={me.id}
              name={nameOf(c, me.id)}
              presence={friend?.state}
              about={friend ? presenceText(friend) : isGroup(c.key) ? t.members(state.groups.get(numberOf(c.key))?.count ?? 1) : ""}
              typing={typists && typingText(typists, isGroup(c.key) ? talk.names : undefined)}
              current={c.key === open}
              reachable={open !== undefined && shown.some((other) => other.key === open) ? c.key === open : i === 0}
              open={route.open.bind(route)}
            />
          );
        })}
      </ul>
    </section>
  );
}

/** Whether the screen has room for the list or a conversation, not for both (as chat.css has it). */
function useNarrow(): boolean {
  const query = useMemo(() => matchMedia("(max-width: 699px)"), []);
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const change = () => setNarrow(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return narrow;
}

/** What a conversation is called in the list. */
function nameOf({ key, name }: Conversation, me: number): string {
  return key === `u${me}` ? t.notes : name;
}

interface ItemProps {
  conversation: Conversation;
  me: number;
  name: string;
  presence: "online" | "offline" | undefined;
  /** What stands there before anything was said. */
  about: string;
  typing: string | undefined;
  current: boolean;
  /** By Tab: one of the list is, the others by arrows. */
  reachable: boolean;
  open: (key: Key) => void;
}

const Item = memo(({ conversation, me, name, presence, about, typing, current, reachable, open }: ItemProps): JSX.Element => {
  const { key, unread } = conversation;
  const newest = newestOf(conversation);
  const group = isGroup(key);
  const failed = conversation.own.length > 0 && newest === conversation.own.at(-1) && conversation.own.at(-1)!.state === "failed";
  const from = newest && (newest.id === me ? `${t.you}: ` : group ? `${newest.name}: ` : "");
  return (
    <li>
      <button
        type="button"
        class={`item ${unread > 0 ? "unread" : ""}`}
        aria-current={current ? "true" : undefined}
        tabIndex={reachable ? 0 : -1}
        onClick={() => open(key)}
      >
        <Avatar id={numberOf(key)} name={name} group={group} presence={presence} />
        <span class="item-text">
          <span class="item-top">
            <bdi class="item-name">{name}</bdi>
            {presence === "online" && <span class="hidden">, {t.online}</span>}
            {newest && <time>{shortTime(newest.ts)}</time>}
          </span>
          <span class="item-bottom">
            {typing ? <span class="item-last typing">{typing}</span> : (
              <span class="item-last" dir="auto">
                {failed && <span class="danger">{`${t.failed}: `}</span>}
                {newest ? `${key === `u${me}` ? "" : from}${newest.msg.slice(0, 160)}` : about}
              </span>
            )}
            {unread > 0 && <span class="badge" aria-label={t.unread(unread)}>{unread > 999 ? "999+" : unread}</span>}
          </span>
        </span>
      </button>
    </li>
  );
});

/** Nobody in the list is called so; somebody on the server may be. */
function NotFound({ name, found }: { name: string; found: () => void }): JSX.Element {
  const { people, route } = useParts();
  const { busy, error, run } = useRequest();
  const add = () =>
    run(async () => {
      const key = await people.addFriend(name);
      found();
      route.open(key);
    });
  return (
    <section class="empty">
      <p>{t.nothingFound(name)}</p>
      {error && <p class="error" role="alert">{error}</p>}
      <button type="button" class="quiet" disabled={busy} onClick={() => void add()}>{t.addNamed(name)}</button>
    </section>
  );
}

/** Whether a key belongs to an input method. (Safari says so by 229 alone.) */
export function isComposing(event: { isComposing: boolean; keyCode: number }): boolean {
  return event.isComposing || event.keyCode === 229;
}

function Empty({ state: { me } }: { state: State }): JSX.Element {
  const { store } = useParts();
  return (
    <section class="empty">
      <h2>{t.emptyTitle}</h2>
      <p>{t.emptyText}</p>
      <button type="button" class="primary" onClick={() => store.update({ dialog: "new" })}>{t.newConversation}</button>
      <p class="fine">{t.tellNumber(me.name, me.id)}</p>
    </section>
  );
}

/** Alt and arrows go through the conversations, Ctrl+K searches, Esc leaves the conversation. */
function useShortcuts(field: { current: HTMLInputElement | null }, keys: Key[], open: Key | undefined): void {
  const { route } = useParts();
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (document.querySelector("dialog[open]") || isComposing(event)) return;
      if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
        const at = open === undefined ? -1 : keys.indexOf(open);
        const next = keys[Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1))];
        if (next) route.open(next);
      } else if ((event.ctrlKey || event.metaKey) && event.key === "k") {
        field.current?.focus();
      } else if (event.key === "Escape" && event.target === field.current) {
        field.current?.blur();
        return;
      } else if (event.key === "Escape" && open !== undefined) {
        route.close();
      } else {
        return;
      }
      event.preventDefault();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  });
}
