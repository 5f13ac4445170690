/** What cannot be taken back by a click is asked about before, and what follows from it is said. */
import type { JSX } from "preact";
import { t } from "../i18n.ts";
import { successor } from "../state/groups.ts";
import { type Conversation, numberOf } from "../state/model.ts";
import { type Question, QUESTIONS, type State } from "../state/store.ts";
import { useParts } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

export function isQuestion(dialog: State["dialog"]): dialog is Question {
  return QUESTIONS.includes(dialog as Question);
}

export function ConfirmDialog({ question, conversation: { key, name }, state }: {
  question: Question;
  conversation: Conversation;
  state: State;
}): JSX.Element {
  const { people, groups, store, talk } = useParts();
  const { busy, error, run } = useRequest();
  const id = numberOf(key);
  const group = state.groups.get(id);
  const { chosen } = state;
  const member = state.member ?? { id: 0, name: "" };
  const next = successor(state, id);
  const about = (text: string) => `${text}: ${member.name}`;
  const titled = (text: string) => `${text}: ${name}`;
  const asked = {
    block: { title: titled(t.block), button: t.block, text: [t.blockText(name)], act: () => people.block(id) },
    remove: { title: titled(t.removeContact), button: t.removeContact, text: [t.removeContactText(name)], act: () => people.removeFriend(id) },
    leave: {
      title: titled(t.leaveGroup),
      button: t.leaveGroup,
      text: group?.count === 1
        ? [t.leaveLast]
        : [t.leaveText(name), ...(group?.role === "creator" ? [next === undefined ? t.leaveCreator : t.leaveTo(next)] : [])],
      act: () => groups.leave(id),
    },
    creator: {
      title: about(t.makeCreator),
      button: t.makeCreator,
      text: [t.makeCreatorText(member.name)],
      act: () => groups.setRole(id, member.id, "creator"),
    },
    kick: { title: about(t.kick), button: t.kick, text: [t.kickText(member.name)], act: () => groups.kick(id, member.id, false) },
    ban: { title: about(t.ban), button: t.ban, text: [t.banText(member.name)], act: () => groups.kick(id, member.id, true) },
    delete: {
      title: t.deleteTitle,
      button: t.deleteMessage,
      text: [chosen && chosen.id !== state.me.id ? t.deleteOther(chosen.name) : t.deleteText],
      act: async () => chosen && await talk.deeds.delete(key, chosen),
    },
  }[question];
  // Who was among the members stays there.
  const close = () => store.done(question, ["creator", "kick", "ban"].includes(question) ? "details" : undefined);
  return (
    <Dialog title={asked.title}>
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
          {asked.button}
        </button>
      </footer>
    </Dialog>
  );
}
