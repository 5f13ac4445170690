/** The lists of contacts, groups and invitations, and who is blocked, as the server tells them. */
import type { LoginAck } from "../../client/natter_client.ts";
import { type Conversation, isGroup, type Key, newConversation, numberOf } from "./model.ts";
import { type State, type Store, withoutOpen } from "./store.ts";

/** Puts fresh lists into the store, and each of them among the conversations. */
export function takeLists(store: Store, { friends, groups, blocked, invited }: Pick<LoginAck, "friends" | "groups" | "blocked" | "invited">): void {
  const conversations = new Map(store.state.conversations);
  const ensure = (key: Key, name: string) => conversations.set(key, { ...conversations.get(key) ?? newConversation(key, name), name });
  for (const { id, name } of friends) ensure(`u${id}`, name);
  for (const { id, groupname } of groups) ensure(`g${id}`, groupname);
  const now = {
    friends: new Map(friends.map((friend) => [friend.id, friend])),
    groups: new Map(groups.map((group) => [group.id, group])),
    blocked: new Set(blocked),
    invitations: new Map(invited.map((invitation) => [invitation.groupid, invitation])),
  };
  const { open, within } = store.state;
  for (const c of conversations.values()) if (isOver(c, { ...now, open })) conversations.delete(c.key);
  store.update({
    ...now,
    conversations,
    ...open && !conversations.has(open) ? withoutOpen(store.state) : {},
    ...within && !conversations.has(within) ? { within: undefined } : {},
  });
}

/** A group that was left; someone who is no contact, and with whom nothing was said. */
export function isOver({ key, last, own }: Conversation, { friends, groups, open }: Pick<State, "friends" | "groups" | "open">): boolean {
  if (isGroup(key)) return !groups.has(numberOf(key));
  return !friends.has(numberOf(key)) && !last && own.length === 0 && key !== open;
}
