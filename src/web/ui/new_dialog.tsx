/** Adding a person, making a group, joining one. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n.ts";
import type { Key } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Choice, Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

type Kind = "person" | "create" | "join";

export function NewDialog(): JSX.Element {
  const { people, groups, route } = useParts();
  const { busy, error, run } = useRequest();
  const [kind, setKind] = useState<Kind>("person");
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [isPrivate, setPrivate] = useState(false);

  const submit = (event: Event) => {
    event.preventDefault();
    const wanted = name.trim();
    const begin: Record<Kind, () => Promise<Key>> = {
      person: () => people.addFriend(wanted),
      create: () => groups.create(wanted, description.trim(), isPrivate),
      join: () => groups.join(wanted),
    };
    void run(async () => {
      route.open(await begin[kind]());
    }, { 1: t.nameTaken, 22: t.banned, 27: t.codeInvalid });
  };
  const hint = { person: t.personHint, create: "", join: t.joinHint }[kind];
  return (
    <Dialog title={t.newConversation}>
      <form onSubmit={submit}>
        <Choice
          label={t.newConversation}
          value={kind}
          options={[["person", t.person], ["create", t.newGroup], ["join", t.existingGroup]]}
          choose={setKind}
        />
        <label>
          <span>{{ person: t.nameOrNumber, create: t.groupName, join: t.nameOrLink }[kind]}</span>
          <input
            autofocus
            required
            dir="auto"
            spellcheck={false}
            // A link is longer than a name.
            maxLength={kind === "join" ? 500 : 50}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          {hint !== "" && <small>{hint}</small>}
        </label>
        {kind === "create" && (
          <>
            <label>
              <span>{t.groupDescription}</span>
              <input dir="auto" maxLength={200} value={description} onInput={(event) => setDescription(event.currentTarget.value)} />
            </label>
            <Choice
              label={t.kindOfGroup}
              value={isPrivate ? "private" : "public"}
              options={[["public", t.public], ["private", t.private]]}
              choose={(kind) => setPrivate(kind === "private")}
            />
            <p class="fine">{isPrivate ? t.privateHint : t.publicHint}</p>
          </>
        )}
        {error && <p class="error" role="alert">{error}</p>}
        <footer>
          <button type="submit" class="primary" disabled={busy || name.trim() === ""}>
            {{ person: t.add, create: t.create, join: t.join }[kind]}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
