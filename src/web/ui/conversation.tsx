/** The open conversation: whose it is, what was said, where to write. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Friend } from "../../client/natter_client.ts";
import { ago } from "../format.ts";
import { t } from "../i18n.ts";
import { mayWrite } from "../state/groups.ts";
import { type Conversation as Model, isGroup, numberOf } from "../state/model.ts";
import type { Names } from "../state/names.ts";
import type { State, Typist } from "../state/store.ts";
import { Avatar } from "./avatar.tsx";
import { Composer } from "./composer.tsx";
import { Connection } from "./connection.tsx";
import { NARROW, useParts } from "./context.ts";
import { Icon } from "./icons.tsx";
import { MessageList } from "./message_list.tsx";
import { useRequest } from "./use_request.ts";

export function Conversation({ conversation, state }: { conversation: Model; state: State }): JSX.Element {
  const { account, route, store, groups } = useParts();
  const { key, name } = conversation;
  const { me, connection, friends, blocked } = state;
  const id = numberOf(key), group = isGroup(key), notes = key === `u${me.id}`;
  const presence = group || connection.state !== "online" ? undefined : friends.get(id)?.state;
  const title = notes ? t.notes : name;
  const online = connection.state === "online";
  const members = group ? state.members.get(id) : undefined;
  // On a phone that is where the list is.
  const search = () => {
    store.update({ within: key });
    if (matchMedia(NARROW).matches) route.close();
  };
  // Who may write there.
  useEffect(() => {
    if (group && online) void groups.loadMembers(id).catch(() => {});
  }, [key, online]);
  return (
    <main class="conversation" aria-label={title}>
      <header>
        <button type="button" class="round back" aria-label={t.back} title={t.back} onClick={() => route.close()}>
          <Icon name="back" />
        </button>
        <button type="button" class="who" title={t.details} onClick={() => store.update({ dialog: "details" })}>
          <Avatar id={id} name={title} group={group} presence={presence} />
          <span class="who-text">
            <h1>
              <bdi>{title}</bdi>
            </h1>
            {!notes && <Subtitle conversation={conversation} state={state} />}
          </span>
          <span class="hidden">{t.details}</span>
        </button>
        <button type="button" class="round" aria-label={t.searchHere} title={t.searchHere} onClick={search}>
          <Icon name="search" />
        </button>
        <button type="button" class="round" aria-label={t.details} title={t.details} onClick={() => store.update({ dialog: "details" })}>
          <Icon name="info" />
        </button>
      </header>
      <Connection connection={connection} above />
      {!group && !notes && !friends.has(id) && !blocked.has(id) && connection.state === "online" && <Stranger id={id} name={name} />}
      <MessageList key={key} conversation={conversation} me={me.id} myName={me.name} members={members} today={new Date().toDateString()} />
      {!group && blocked.has(id) ? <Blocked id={id} name={name} /> : group && !mayWrite(state, id) ? <OnlyModerators /> : (
        <Composer
          key={key}
          conversation={conversation}
          name={title}
          me={me.id}
          members={members}
          maxLine={account.client.session?.limits.line ?? Infinity}
          files={account.client.session?.features.includes("files") ?? false}
          closed={connection.state === "closed"}
          choosing={state.dialog === "emoji"}
        />
      )}
    </main>
  );
}

/** Under the name: who is typing, or who is there. */
function Subtitle({ conversation: { key }, state }: { conversation: Model; state: State }): JSX.Element {
  const { talk } = useParts();
  const { friends, groups, typing, connection } = state;
  const typists = typing.get(key);
  if (typists) return <span class="subtitle typing" aria-live="polite">{typingText(typists, isGroup(key) ? talk.names : undefined)}</span>;
  if (isGroup(key)) {
    const group = groups.get(numberOf(key));
    if (connection.state !== "online") return <span class="subtitle">{t.notConnected}</span>;
    return <span class="subtitle">{group && `${t.members(group.count)}${group.private ? ` · ${t.privateGroup}` : ""}`}</span>;
  }
  // Without a connection nobody knows.
  if (connection.state !== "online") return <span class="subtitle">{t.notConnected}</span>;
  const friend = friends.get(numberOf(key));
  return <span class="subtitle">{friend ? presenceText(friend) : `#${numberOf(key)}`}</span>;
}

/** Whether a contact is there, or was when. */
export function presenceText({ state, lastseen }: Friend): string {
  return state === "online" ? t.online : lastseen === null ? t.offline : t.lastSeen(ago(lastseen));
}

/** Contacts are known better than the list of members, which is as old as the look at it. Without a connection nobody is known. */
export function isOnline({ friends, me, connection }: State, { id, state }: { id: number; state: "online" | "offline" }): boolean {
  return connection.state === "online" && (id === me.id || (friends.get(id)?.state ?? state) === "online");
}

/** `names`: in a group the one who types is named. */
export function typingText(typists: readonly Typist[], names: Names | undefined): string {
  if (!names) return t.typing;
  return typists.length === 1 ? t.typingName(names.of(typists[0].id)) : t.typingMany(typists.length);
}

function Stranger({ id, name }: { id: number; name: string }): JSX.Element {
  const { people, store } = useParts();
  const { busy, error, run } = useRequest();
  return (
    <div class="strip">
      <span>{error || t.notContact(name)}</span>
      <button type="button" class="quiet" disabled={busy} onClick={() => void run(() => people.addFriendById(id))}>{t.addContact}</button>
      <button type="button" class="quiet danger" onClick={() => store.update({ dialog: "block" })}>{t.block}</button>
    </div>
  );
}

function OnlyModerators(): JSX.Element {
  return (
    <div class="composer blocked">
      <span>{t.onlyModerators}</span>
    </div>
  );
}

function Blocked({ id, name }: { id: number; name: string }): JSX.Element {
  const { people } = useParts();
  const { busy, error, run } = useRequest();
  return (
    <div class="composer blocked">
      <span>{error || t.blockedText(name)}</span>
      <button type="button" class="quiet" disabled={busy} onClick={() => void run(() => people.unblock(id))}>{t.unblock}</button>
    </div>
  );
}
