/** What cannot be taken back by a click is asked about before, and what follows from it is said. */
import type { JSX } from "preact";
import { t } from "../i18n.ts";
import { type Conversation, numberOf } from "../state/model.ts";
import type { State } from "../state/store.ts";
import { useParts } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

/** What is asked. */
export type Question = "block" | "remove" | "leave";

export function ConfirmDialog({ question, conversation: { key, name }, state }: {
  question: Question;
  conversation: Conversation;
  state: State;
}): JSX.Element {
  const { people, store } = useParts();
  const { busy, error, run } = useRequest();
  const id = numberOf(key);
  const group = state.groups.get(id);
  const asked = {
    block: { title: t.block, text: [t.blockText(name)], act: () => people.block(id) },
    remove: { title: t.removeContact, text: [t.removeContactText(name)], act: () => people.removeFriend(id) },
    leave: {
      title: t.leaveGroup,
      text: group?.count === 1 ? [t.leaveLast] : [t.leaveText(name), ...(group?.role === "creator" ? [t.leaveCreator] : [])],
      act: () => people.leaveGroup(id),
    },
  }[question];
  const close = () => store.update({ dialog: undefined });
  return (
    <Dialog title={`${asked.title}: ${name}`}>
      {asked.text.map((text) => <p key={text}>{text}</p>)}
      {error && <p class="error" role="alert">{error}</p>}
      <footer>
        <button type="button" class="quiet" onClick={close}>{t.cancel}</button>
        <button
          type="button"
          class="quiet danger"
          disabled={busy}
          onClick={async () => {
            if (await run(asked.act)) close();
          }}
        >
          {asked.title}
        </button>
      </footer>
    </Dialog>
  );
}
