/** Who is in the conversation, and what can be done about it. */
import type { JSX } from "preact";
import { t } from "../i18n.ts";
import { type Conversation, isGroup, numberOf } from "../state/model.ts";
import type { State } from "../state/store.ts";
import { useParts } from "./context.ts";
import { presenceText } from "./conversation.tsx";
import { Dialog } from "./dialog.tsx";
import { GroupDetails } from "./group_details.tsx";
import { Head } from "./head.tsx";
import { Keeping } from "./keeping.tsx";
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

function PersonDetails({ conversation, state: { friends, blocked, me, connection } }: { conversation: Conversation; state: State }): JSX.Element {
  const { key, name } = conversation;
  const { people, store } = useParts();
  const { busy, error, run } = useRequest();
  const id = numberOf(key);
  const friend = friends.get(id);
  if (id === me.id) return <Head id={id} name={name} group={false} line={t.notesHint} />;
  const presence = connection.state !== "online" ? t.notConnected : friend ? presenceText(friend) : "";
  const act = (what: () => Promise<void>) => async () => {
    if (await run(what)) store.done("details");
  };
  return (
    <>
      <Head id={id} name={name} group={false} line={presence} />
      <Keeping conversation={conversation} />
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
