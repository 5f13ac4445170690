/** Who is in the conversation, and what can be done about it. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n.ts";
import { type Conversation, isGroup, numberOf } from "../state/model.ts";
import type { State } from "../state/store.ts";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";
import { isOnline, presenceText } from "./conversation.tsx";
import { Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

export function DetailsDialog({ conversation, state }: { conversation: Conversation; state: State }): JSX.Element {
  return (
    <Dialog title={t.details}>
      {isGroup(conversation.key)
        ? <GroupDetails conversation={conversation} state={state} />
        : <PersonDetails conversation={conversation} state={state} />}
    </Dialog>
  );
}

function Head({ id, name, group, line }: { id: number; name: string; group: boolean; line: string }): JSX.Element {
  return (
    <div class="head">
      <Avatar id={id} name={name} group={group} size="large" />
      <p class="head-name">
        <bdi>{name}</bdi>
      </p>
      <p class="fine">{line}</p>
      <p class="fine">{t.number} #{id}</p>
    </div>
  );
}

function PersonDetails({ conversation: { key, name }, state: { friends, blocked, me } }: { conversation: Conversation; state: State }): JSX.Element {
  const { people, store } = useParts();
  const { busy, error, run } = useRequest();
  const id = numberOf(key);
  const friend = friends.get(id);
  if (id === me.id) return <Head id={id} name={name} group={false} line={t.notesHint} />;
  const presence = friend ? presenceText(friend) : "";
  const act = (what: () => Promise<void>) => async () => {
    if (await run(what)) store.update({ dialog: undefined });
  };
  return (
    <>
      <Head id={id} name={name} group={false} line={presence} />
      {error && <p class="error" role="alert">{error}</p>}
      <footer>
        {friend
          ? <button type="button" class="quiet" disabled={busy} onClick={() => store.update({ dialog: "remove" })}>{t.removeContact}</button>
          : <button type="button" class="quiet" disabled={busy} onClick={act(() => people.addFriendById(id))}>{t.addContact}</button>}
        {blocked.has(id)
          ? <button type="button" class="quiet" disabled={busy} onClick={act(() => people.unblock(id))}>{t.unblock}</button>
          : <button type="button" class="quiet danger" disabled={busy} onClick={() => store.update({ dialog: "block" })}>{t.block}</button>}
      </footer>
    </>
  );
}

function GroupDetails({ conversation: { key, name }, state }: { conversation: Conversation; state: State }): JSX.Element {
  const { people, store, route } = useParts();
  const { busy, error, run } = useRequest();
  const id = numberOf(key);
  const known = state.members.get(id);
  // As it is now, whatever was seen before. If that fails, the list is an older one.
  useEffect(() => void people.loadMembers(id).catch(() => {}), []);
  const members = (known?.members ?? []).map((user) => ({ ...user, online: isOnline(state, user) }));
  members.sort((a, b) => Number(b.online) - Number(a.online) || a.name.localeCompare(b.name));
  const write = (user: { id: number; name: string }) => route.open(people.write(user.id, user.name));
  return (
    <>
      <Head id={id} name={name} group line={known?.groupdesc ?? ""} />
      <h3>
        {t.membersTitle} <span class="fine">{known?.count ?? state.groups.get(id)?.count}</span>
      </h3>
      {!known && <p class="fine">{t.loading}</p>}
      <ul class="members">
        {members.map((user) => (
          <li key={user.id}>
            <button type="button" class="item" onClick={() => write(user)}>
              <Avatar id={user.id} name={user.name} size="small" presence={user.online ? "online" : "offline"} />
              <bdi class="item-name">{user.name}</bdi>
              <span class="fine">
                {[user.id === state.me.id ? t.you : "", user.role === "normal" ? "" : t[user.role]].filter((text) => text !== "").join(", ")}
              </span>
              {user.online && <span class="hidden">{t.online}</span>}
            </button>
          </li>
        ))}
      </ul>
      {known?.more && (
        <button type="button" class="link" disabled={busy} onClick={() => void run(() => people.loadMembers(id, true))}>
          {t.moreMembers(known.count - members.length)}
        </button>
      )}
      {error && <p class="error" role="alert">{error}</p>}
      <footer>
        <button type="button" class="quiet danger" onClick={() => store.update({ dialog: "leave" })}>{t.leaveGroup}</button>
      </footer>
    </>
  );
}
