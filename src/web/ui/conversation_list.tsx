/** All conversations, the last that moved first. */
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { countOf, explain, gist, shortTime } from "../format.ts";
import { t } from "../i18n.ts";
import { type Conversation, isGroup, isMuted, type Key, newestOf, numberOf } from "../state/model.ts";
import { sorted, type State } from "../state/store.ts";
import { Avatar } from "./avatar.tsx";
import { Connection } from "./connection.tsx";
import { NARROW, useParts } from "./context.ts";
import { presenceText, typingText } from "./conversation.tsx";
import { DoorNotes } from "./door_notes.tsx";
import { FoundMessages } from "./found.tsx";
import { isComposing, useShortcuts } from "./keys.ts";
import { Icon } from "./icons.tsx";
import { keepingItems } from "./keeping.tsx";
import { memo } from "./memo.ts";
import { type Anchor, anchorOf, Menu } from "./menu.tsx";
import { useRequest } from "./use_request.ts";

/** So many conversations are drawn at first, more than a screen has room for; then each time as many again, until all are there. */
const FIRST_DRAWN = 30;

export function ConversationList({ state }: { state: State }): JSX.Element {
  const { store, route, talk } = useParts();
  const [search, setSearch] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const [menu, setMenu] = useState<{ conversation: Conversation; anchor: Anchor }>();
  const [unfolded, setUnfolded] = useState(false);
  const { me, conversations, listed, open, within } = state;
  // Of who is not in the list yet nobody knows where: those come when all is known.
  const all = sorted(conversations).filter((c) => listed || newestOf(c) !== undefined);
  const wanted = search.trim().toLowerCase();
  const archived = wanted === "" ? all.filter((c) => c.archived) : [];
  const present = wanted === "" ? all.filter((c) => !c.archived) : all.filter((c) => nameOf(c, me.id).toLowerCase().includes(wanted));
  const shown = unfolded ? [...present, ...archived] : present;
  const narrow = useNarrow(), alone = narrow && open === undefined;
  // Whoever wants to search in a conversation begins to type.
  useLayoutEffect(() => {
    if (within !== undefined && (alone || !narrow)) field.current!.focus();
  }, [within, alone]);
  const room = useRoom(present.length);
  const reachable = shown.find((c) => c.key === open) ?? shown[0];
  useShortcuts(field, shown.map((c) => c.key), open);

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    // While characters are being composed, the keys are the input method's.
    if (step === undefined || isComposing(event)) return;
    if (event.target === field.current && event.key !== "ArrowDown") return;
    event.preventDefault();
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>(".list li > button")];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
  };

  const keep = (key: Key, what: Partial<Conversation>) => talk.overview.keep(key, what).catch((error) => store.complain(explain(error)));
  const called = (key: Key) => {
    const c = conversations.get(key);
    return c ? nameOf(c, me.id) : isGroup(key) ? `#${numberOf(key)}` : talk.names.of(numberOf(key));
  };
  const openItem = useCallback((key: Key) => route.open(key), [route]);
  const openMenu = useCallback((conversation: Conversation, event: MouseEvent) => {
    event.preventDefault();
    setMenu({ conversation, anchor: anchorOf(event, event.currentTarget as Element) });
  }, []);
  const today = new Date().toDateString();
  const item = (c: Conversation) => {
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
        muted={isMuted(c)}
        today={today}
        current={c.key === open}
        reachable={c === reachable}
        open={openItem}
        menu={openMenu}
      />
    );
  };

  return (
    // On a phone it is all there is, until a conversation is opened.
    <section class="sidebar" role={alone ? "main" : "navigation"} aria-label={t.conversations} tabIndex={-1} onKeyDown={onKeyDown}>
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
            placeholder={within === undefined ? t.search : t.searchIn(called(within))}
            aria-label={t.search}
            onInput={(event) => {
              setSearch(event.currentTarget.value);
              if (event.currentTarget.value === "") store.update({ within: undefined });
            }}
            onBlur={() => search === "" && store.update({ within: undefined })}
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
      <DoorNotes state={state} />
      {all.length === 0 && listed && state.connection.state === "online" && <Empty state={state} />}
      {all.length > 0 && wanted !== "" && shown.length === 0 && <NotFound key={search.trim()} name={search.trim()} found={() => setSearch("")} />}
      <ul class="list">
        {present.slice(0, room).map(item)}
        {wanted !== "" && <FoundMessages text={search.trim()} state={state} nameOf={called} />}
        {archived.length > 0 && <Archived archived={archived} unfolded={unfolded} turn={() => setUnfolded(!unfolded)} />}
        {unfolded && archived.map(item)}
      </ul>
      {menu && (
        <Menu
          label={nameOf(menu.conversation, me.id)}
          anchor={menu.anchor}
          items={keepingItems(menu.conversation, (what) => void keep(menu.conversation.key, what))}
          close={() => setMenu(undefined)}
        />
      )}
    </section>
  );
}

/** How many of them are drawn by now: who opens the page waits for those that are seen, not for hundreds below. */
function useRoom(wanted: number): number {
  const [room, setRoom] = useState(FIRST_DRAWN);
  useEffect(() => {
    if (room >= wanted) return;
    // After the frame of those before: an effect comes sooner, if something else is drawn meanwhile.
    let timer: ReturnType<typeof setTimeout>;
    const frame = requestAnimationFrame(() => timer = setTimeout(() => setRoom(room * 2)));
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [room, room < wanted]);
  return room;
}

/** Whether the screen has room for the list or a conversation, not for both. */
function useNarrow(): boolean {
  const query = useMemo(() => matchMedia(NARROW), []);
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
  muted: boolean;
  /** By which times are told. */
  today: string;
  open: (key: Key) => void;
  menu: (conversation: Conversation, event: MouseEvent) => void;
}

const Item = memo(({ conversation, me, name, presence, about, typing, muted, current, reachable, open, menu }: ItemProps): JSX.Element => {
  const { key, unread, pinned, mentions } = conversation;
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
        onContextMenu={(event) => menu(conversation, event)}
      >
        <Avatar id={numberOf(key)} name={name} group={group} presence={presence} />
        <span class="item-text">
          <span class="item-top">
            <bdi class="item-name">{name}</bdi>
            {presence === "online" && <span class="hidden">, {t.online}</span>}
            {muted && <Sign name="muted" text={t.muted} />}
            {pinned && <Sign name="pin" text={t.pinned} />}
            {newest && <time>{shortTime(newest.ts)}</time>}
          </span>
          <span class="item-bottom">
            {typing ? <span class="item-last typing">{typing}</span> : (
              <span class="item-last" dir="auto">
                {failed && <span class="danger">{`${t.failed}: `}</span>}
                {newest ? `${key === `u${me}` ? "" : from}${gist(newest).slice(0, 160)}` : about}
              </span>
            )}
            {mentions.length > 0 && (
              <span class="badge" title={t.mentioned}>
                <span aria-hidden="true">@</span>
                <span class="hidden">, {t.mentioned},</span>
              </span>
            )}
            {unread > 0 && <span class={`badge ${muted ? "faint" : ""}`} aria-label={t.unread(unread)}>{countOf(unread)}</span>}
          </span>
        </span>
      </button>
    </li>
  );
});

function Sign({ name, text }: { name: "muted" | "pin"; text: string }): JSX.Element {
  return (
    <span class="sign" title={text}>
      <Icon name={name} />
      <span class="hidden">, {text}</span>
    </span>
  );
}

/** What stands apart: folded, until it is wanted. */
function Archived({ archived, unfolded, turn }: { archived: Conversation[]; unfolded: boolean; turn(): void }): JSX.Element {
  const unread = archived.filter((c) => c.unread > 0).length;
  return (
    <li>
      <button type="button" class="item archived" aria-expanded={unfolded} onClick={turn}>
        <Icon name="archive" />
        <span class="item-name">{t.archived}</span>
        {unread > 0
          ? <span class="badge faint" aria-label={t.unreadConversations(unread)}>{unread}</span>
          : <span class="fine">{archived.length}</span>}
      </button>
    </li>
  );
}

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
