/** Passing on what was said: it goes, with its files, into the field of another conversation, where it is sent, or more is written. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n.ts";
import { mayWrite } from "../state/groups.ts";
import { isGroup, type Key, type Line, numberOf } from "../state/model.ts";
import { readDraft, writeDraft } from "../state/storage.ts";
import { sorted, type State } from "../state/store.ts";
import { MAX_FILES } from "../state/uploads.ts";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";
import { Dialog } from "./dialog.tsx";

export function ForwardDialog({ line, state }: { line: Line; state: State }): JSX.Element {
  const { route, store, talk, uploads } = useParts();
  const [search, setSearch] = useState("");
  const { me, open, blocked } = state;
  const wanted = search.trim().toLowerCase();
  const may = (key: Key) => key !== open && (isGroup(key) ? mayWrite(state, numberOf(key)) : !blocked.has(numberOf(key)));
  const found = sorted(state.conversations).map(({ key, name }) => ({ key, name: key === `u${me.id}` ? t.notes : name }))
    .filter(({ key, name }) => may(key) && name.toLowerCase().includes(wanted));
  const choose = (key: Key) => {
    // The second click of a double one, while the browser goes back from here.
    if (store.state.dialog !== "forward") return;
    store.update({ dialog: undefined });
    writeDraft(me.id, key, [readDraft(me.id, key), line.msg].filter((text) => text !== "").join("\n"));
    if (line.files && !uploads.add(me.id, key, line.files)) store.complain(t.tooManyFiles(MAX_FILES));
    talk.write(key, undefined);
    route.open(key);
  };
  return (
    <Dialog title={t.forward}>
      <input
        type="search"
        autofocus
        value={search}
        placeholder={t.forwardTo}
        aria-label={t.forwardTo}
        onInput={(event) => setSearch(event.currentTarget.value)}
      />
      {found.length === 0 && <p class="fine" role="status">{t.forwardNobody}</p>}
      <ul class="members">
        {found.map(({ key, name }) => (
          <li key={key}>
            <button type="button" class="item" onClick={() => choose(key)}>
              <Avatar id={numberOf(key)} name={name} size="small" group={isGroup(key)} />
              <bdi class="item-name">{name}</bdi>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
