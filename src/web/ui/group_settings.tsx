/** What creator and moderators may change of a group. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { GroupSettings, Members } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import { type Conversation, numberOf } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Choice, Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

export function GroupSettingsDialog({ conversation: { key, name }, members }: { conversation: Conversation; members: Members }): JSX.Element {
  const { groups, store } = useParts();
  const { busy, error, run } = useRequest();
  const { groupdesc, private: isPrivate = false, history, posting } = members;
  // As they were when the user came to change them.
  const [before] = useState<GroupSettings>({ groupname: name, groupdesc, private: isPrivate, history, posting });
  const [wanted, setWanted] = useState(before);
  const change = (what: Partial<GroupSettings>) => setWanted({ ...wanted, ...what });
  const submit = async (event: Event) => {
    event.preventDefault();
    const said: GroupSettings = { ...wanted, groupname: wanted.groupname.trim(), groupdesc: wanted.groupdesc.trim() };
    // What others changed meanwhile stays.
    const changed = Object.entries(said).filter(([setting, value]) => before[setting as keyof GroupSettings] !== value);
    const save = async () => changed.length > 0 && await groups.update(numberOf(key), Object.fromEntries(changed));
    if (await run(save, { 1: t.nameTaken })) store.done("group", "details");
  };
  return (
    <Dialog title={t.groupSettings}>
      <form onSubmit={submit}>
        <label>
          <span>{t.groupName}</span>
          <input
            required
            dir="auto"
            spellcheck={false}
            maxLength={50}
            value={wanted.groupname}
            onInput={(event) => change({ groupname: event.currentTarget.value })}
          />
        </label>
        <label>
          <span>{t.groupDescription}</span>
          <input dir="auto" maxLength={200} value={wanted.groupdesc} onInput={(event) => change({ groupdesc: event.currentTarget.value })} />
        </label>
        <h3>{t.kindOfGroup}</h3>
        <Choice
          label={t.kindOfGroup}
          value={wanted.private ? "private" : "public"}
          options={[["public", t.public], ["private", t.private]]}
          choose={(kind) => change({ private: kind === "private" })}
        />
        <p class="fine">{wanted.private ? t.privateHint : t.publicHint}</p>
        <h3>{t.newcomers}</h3>
        <Choice
          label={t.newcomers}
          value={wanted.history}
          options={[["all", t.newcomersAll], ["joined", t.newcomersJoined]]}
          choose={(choice) => change({ history: choice })}
        />
        <p class="fine">{t.newcomersHint}</p>
        <h3>{t.writers}</h3>
        <Choice
          label={t.writers}
          value={wanted.posting}
          options={[["all", t.writersAll], ["moderators", t.writersModerators]]}
          choose={(choice) => change({ posting: choice })}
        />
        {error && <p class="error" role="alert">{error}</p>}
        <footer>
          <button type="button" class="quiet" onClick={() => store.update({ dialog: "details" })}>{t.cancel}</button>
          <button type="submit" class="primary" disabled={busy || wanted.groupname.trim() === ""}>{t.save}</button>
        </footer>
      </form>
    </Dialog>
  );
}
