/** Who is in a group, and what one may do with them. */
import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Member } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import { isModerator, mayTouch } from "../state/groups.ts";
import { type Conversation, numberOf } from "../state/model.ts";
import type { Question, State } from "../state/store.ts";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";
import { isOnline } from "./conversation.tsx";
import { Head } from "./head.tsx";
import { Icon } from "./icons.tsx";
import { Keeping } from "./keeping.tsx";
import { type Anchor, anchorOf, Menu, type MenuItem } from "./menu.tsx";
import { useRequest } from "./use_request.ts";

export function GroupDetails({ conversation, state }: { conversation: Conversation; state: State }): JSX.Element {
  const { key, name } = conversation;
  const { groups, store } = useParts();
  const { busy, error, run } = useRequest();
  const [menu, setMenu] = useState<{ member: Member; anchor: Anchor }>();
  const id = numberOf(key);
  const known = state.members.get(id), group = state.groups.get(id);
  // As it is now, whatever was seen before. If that fails, the list is an older one.
  useEffect(() => void groups.loadMembers(id).catch(() => {}), []);
  const openMenu = useCallback((member: Member, event: MouseEvent) => {
    event.preventDefault();
    setMenu({ member, anchor: anchorOf(event, event.currentTarget as Element) });
  }, []);
  const members = (known?.members ?? []).map((user) => ({ ...user, online: isOnline(state, user) }));
  members.sort((a, b) => Number(b.online) - Number(a.online) || a.name.localeCompare(b.name));
  const line = [group?.private ? t.privateGroup : "", known?.groupdesc ?? ""].filter((text) => text !== "").join(" · ");
  return (
    <>
      <Head id={id} name={name} group line={line} />
      {isModerator(state, id) && (
        <div class="keeping-buttons">
          <button type="button" class="quiet" onClick={() => store.update({ dialog: "invite" })}>{t.inviteToGroup}</button>
          <button type="button" class="quiet" disabled={!known} onClick={() => store.update({ dialog: "group" })}>{t.groupSettings}</button>
        </div>
      )}
      <Keeping conversation={conversation} />
      <h3>
        {t.membersTitle} <span class="fine">{known?.count ?? group?.count}</span>
      </h3>
      {!known && <p class="fine">{t.loading}</p>}
      <ul class="members">
        {members.map((user) => <Row key={user.id} user={user} state={state} menu={mayTouch(state, id, user) ? openMenu : undefined} />)}
      </ul>
      {known?.more && (
        <button type="button" class="link" disabled={busy} onClick={() => void run(() => groups.loadMembers(id, true))}>
          {t.moreMembers(known.count - members.length)}
        </button>
      )}
      {error && <p class="error" role="alert">{error}</p>}
      {isModerator(state, id) && <Banned groupid={id} state={state} />}
      <footer>
        <button type="button" class="quiet danger" onClick={() => store.update({ dialog: "leave" })}>{t.leaveGroup}</button>
      </footer>
      {menu && (
        <MemberMenu
          groupid={id}
          member={menu.member}
          anchor={menu.anchor}
          state={state}
          make={(role) => void run(() => groups.setRole(id, menu.member.id, role))}
          close={() => setMenu(undefined)}
        />
      )}
    </>
  );
}

function Row({ user, state: { me }, menu }: {
  user: Member & { online: boolean };
  state: State;
  /** Undefined: there is nothing that the user may do. */
  menu: ((member: Member, event: MouseEvent) => void) | undefined;
}): JSX.Element {
  const { people, route } = useParts();
  return (
    <li>
      <button
        type="button"
        class="item"
        onClick={() => route.open(people.write(user.id, user.name))}
        onContextMenu={menu && ((event) => menu(user, event))}
      >
        <Avatar id={user.id} name={user.name} size="small" presence={user.online ? "online" : "offline"} />
        <bdi class="item-name">{user.name}</bdi>
        <span class="fine">
          {[user.id === me.id ? t.you : "", user.role === "normal" ? "" : t[user.role]].filter((text) => text !== "").join(", ")}
        </span>
        {user.online && <span class="hidden">{t.online}</span>}
      </button>
      {menu && (
        <button
          type="button"
          class="more"
          aria-haspopup="menu"
          aria-label={t.memberMenu(user.name)}
          title={t.actions}
          onClick={(event) => menu(user, event)}
        >
          <Icon name="more" />
        </button>
      )}
    </li>
  );
}

function MemberMenu({ groupid, member, anchor, state, make, close }: {
  groupid: number;
  member: Member;
  anchor: Anchor;
  state: State;
  make(role: "moderator" | "normal"): void;
  close(): void;
}): JSX.Element {
  const { store } = useParts();
  const { id, name, role } = member;
  const ask = (dialog: Question) => store.update({ dialog, member: { id, name } });
  const items: MenuItem[] = [];
  if (state.groups.get(groupid)?.role === "creator") {
    if (role === "normal") items.push({ text: t.makeModerator, icon: "shield", act: () => make("moderator") });
    else items.push({ text: t.makeNormal, icon: "person", act: () => make("normal") });
    items.push({ text: t.makeCreator, icon: "crown", act: () => ask("creator") });
  }
  items.push({ text: t.kick, icon: "leave", danger: true, act: () => ask("kick") }, {
    text: t.ban,
    icon: "ban",
    danger: true,
    act: () => ask("ban"),
  });
  return <Menu label={t.memberMenu(name)} anchor={anchor} items={items} close={close} />;
}

/** Who is banned, when it is asked for. */
function Banned({ groupid, state: { banned } }: { groupid: number; state: State }): JSX.Element {
  const { groups, store } = useParts();
  const { busy, error, run } = useRequest();
  // Those of another group, or of a while ago.
  useEffect(() => store.update({ banned: undefined }), []);
  return (
    <>
      {banned === undefined
        ? (
          <button type="button" class="link" disabled={busy} onClick={() => void run(() => groups.loadBanned(groupid))}>
            {t.showBanned}
          </button>
        )
        : (
          <>
            <h3>{t.bannedTitle}</h3>
            {banned.length === 0 && <p class="fine" role="status">{t.nobodyBanned}</p>}
            <ul class="devices">
              {banned.map(({ id, name }) => (
                <li key={id}>
                  <bdi>{name}</bdi>
                  <button
                    type="button"
                    class="quiet"
                    disabled={busy}
                    aria-label={t.unbanNamed(name)}
                    onClick={() => void run(() => groups.unban(groupid, id))}
                  >
                    {t.unban}
                  </button>
                </li>
              ))}
            </ul>
          </>
        )}
      {error && <p class="error" role="alert">{error}</p>}
    </>
  );
}
