/** Which messages of groups speak to the user. */
import type { ChatMessage, NatterClient } from "../../client/natter_client.ts";
import { patiently } from "../../client/patiently.ts";
import { isMentioned } from "../../search/mentions.ts";
import { withMention } from "./marks.ts";
import type { Meanwhile } from "./meanwhile.ts";
import { isGroup, type Key, keyOf } from "./model.ts";
import type { State, Store } from "./store.ts";

/** So many messages with one's name are looked at. */
const MOST_ASKED_FOR = 50;

/** Whether a message there speaks to the user. Whom one blocks, one does not hear. */
export function speaksToMe({ me, blocked }: State, key: Key, { id, msg }: Pick<ChatMessage, "id" | "msg">): boolean {
  return isGroup(key) && id !== me.id && !blocked.has(id) && isMentioned(me.name, msg);
}

/** Finds what spoke to the user while nobody listened: this browser is told of it by nobody if another device was. Never rejects. */
export async function findMentions(store: Store, client: NatterClient, meanwhile: Meanwhile): Promise<void> {
  const { conversations, me } = store.state;
  if (![...conversations.values()].some(({ key, unread }) => isGroup(key) && unread > 0)) return;
  try {
    const search = () => patiently(() => client.search(me.name, { limit: MOST_ASKED_FOR }));
    await meanwhile.asked(search, ({ messages }) => {
      if (store.state.me.id !== me.id) return;
      for (const message of messages) {
        const key = keyOf(message, me.id);
        if (speaksToMe(store.state, key, message)) store.amend(key, (c) => withMention(c, message.messageid, true));
      }
    });
  } catch {
    // The list is without marks then, and the messages are where they are.
  }
}
