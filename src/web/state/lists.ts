/** The lists of contacts, groups and invitations, and who is blocked, as the server tells them. */
import { type LoginAck, NatterError } from "../../client/natter_client.ts";
import { explain } from "../format.ts";
import { t } from "../i18n.ts";
import { type Conversation, isGroup, type Key, newConversation, numberOf } from "./model.ts";
import { type State, type Store, withoutOpen } from "./store.ts";

/** How much is told of a message that has no place any more (UTF-16 units). */
const LOST_EXCERPT = 160;
/** What the server would say of a message to a group that the user is not in. */
const NO_MEMBER = 18;

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
  const over = [...conversations.values()].filter((c) => isOver(c, { ...now, open }));
  for (const { key } of over) conversations.delete(key);
  store.update({
    ...now,
    conversations,
    ...open && !conversations.has(open) ? withoutOpen(store.state) : {},
    ...within && !conversations.has(within) ? { within: undefined } : {},
  });
  over.forEach((c) => complainOfFailed(store, c));
}

/** A message was not sent, and has no place any more. */
export function complainOfLost(store: Store, msg: string, error: NatterError): void {
  store.complain(`${t.failed}: “${msg.slice(0, LOST_EXCERPT)}” ${explain(error)}`);
}

/** With a group that the user is not in any more goes what could not be sent there. Of what is on its way the server tells. */
export function complainOfFailed(store: Store, { own }: Conversation): void {
  for (const { state, msg } of own) if (state === "failed") complainOfLost(store, msg, new NatterError(NO_MEMBER, "not a member"));
}

/** A group that was left; someone who is no contact, and with whom nothing was said. */
export function isOver({ key, last, own }: Conversation, { friends, groups, open }: Pick<State, "friends" | "groups" | "open">): boolean {
  if (isGroup(key)) return !groups.has(numberOf(key));
  return !friends.has(numberOf(key)) && !last && own.length === 0 && key !== open;
}
