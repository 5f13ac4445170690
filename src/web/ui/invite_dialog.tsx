/** Letting others into a group: by name, and by links. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { copyText } from "../clipboard.ts";
import { groupLink } from "../door.ts";
import { t } from "../i18n.ts";
import { type Conversation, numberOf } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Choice, Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

const USES = ["1", "10", "100", "1000"] as const;
const DAYS = ["1", "7", "30"] as const;

export function InviteDialog({ conversation: { key } }: { conversation: Conversation }): JSX.Element {
  const groupid = numberOf(key);
  return (
    <Dialog title={t.inviteToGroup}>
      <ByName groupid={groupid} />
      <ByLink groupid={groupid} />
    </Dialog>
  );
}

function ByName({ groupid }: { groupid: number }): JSX.Element {
  const { groups } = useParts();
  const { busy, error, run } = useRequest();
  const [name, setName] = useState("");
  const [invited, setInvited] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    const wanted = name.trim();
    setInvited("");
    if (!await run(() => groups.invite(groupid, wanted), { 23: t.notTaken })) return;
    setInvited(wanted);
    setName("");
  };
  return (
    <form onSubmit={submit}>
      <label>
        <span>{t.nameOrNumber}</span>
        <input autofocus required dir="auto" spellcheck={false} maxLength={50} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <small>{t.inviteHint}</small>
      </label>
      {error && <p class="error" role="alert">{error}</p>}
      <div role="status">{invited !== "" && <p class="fine">{t.invited(invited)}</p>}</div>
      <button type="submit" class="quiet" disabled={busy || name.trim() === ""}>{t.inviteNamed}</button>
    </form>
  );
}

function ByLink({ groupid }: { groupid: number }): JSX.Element {
  const { groups } = useParts();
  const { busy, error, run } = useRequest();
  const [uses, setUses] = useState<typeof USES[number]>("1");
  const [days, setDays] = useState<typeof DAYS[number]>("7");
  const [made, setMade] = useState<{ link: string; uses: number; days: number }>();
  const [said, setSaid] = useState("");
  const [ending, setEnding] = useState(false);
  const show = (made: { link: string; uses: number; days: number } | undefined, said: string) => {
    setMade(made);
    setSaid(said);
  };
  const make = () =>
    run(async () => {
      const terms = { uses: Number(uses), days: Number(days) };
      show({ link: groupLink(await groups.code(groupid, terms.uses, terms.days)), ...terms }, "");
    });
  const end = () =>
    run(async () => {
      await groups.revoke(groupid);
      setEnding(false);
      show(undefined, t.linksEnded);
    });
  const copy = (link: string) => void copyText(link).then(() => setSaid(t.linkCopied), () => setSaid(t.copyFailed));
  return (
    <>
      <h3>{t.inviteByLink}</h3>
      <p class="fine">{t.linkUses}</p>
      <Choice label={t.linkUses} value={uses} options={USES.map((count) => [count, count])} choose={setUses} />
      <p class="fine">{t.linkDays}</p>
      <Choice label={t.linkDays} value={days} options={DAYS.map((count) => [count, count])} choose={setDays} />
      {made && (
        <label>
          <span>{t.groupLink}</span>
          <span class="with-button">
            <input readOnly value={made.link} onFocus={(event) => event.currentTarget.select()} />
            <button type="button" class="quiet" onClick={() => copy(made.link)}>{t.copyLink}</button>
          </span>
          <small>{t.linkHint(made.uses, made.days)}</small>
        </label>
      )}
      {error && <p class="error" role="alert">{error}</p>}
      <div role="status">{said !== "" && <p class="fine">{said}</p>}</div>
      {ending && <p role="alert">{t.endLinksText}</p>}
      {/* Here, so that a link stays that is shown this once. What cancels has the focus then; the second click of a double one means nothing. */}
      {ending
        ? (
          <footer>
            <button type="button" class="quiet" onClick={() => setEnding(false)}>{t.cancel}</button>
            <button type="button" class="quiet danger" disabled={busy} onClick={({ detail }) => detail < 2 && void end()}>{t.endLinks}</button>
          </footer>
        )
        : (
          <footer>
            <button type="button" class="quiet danger" disabled={busy} onClick={() => setEnding(true)}>{t.endLinks}</button>
            <button type="button" class="primary" disabled={busy} onClick={() => void make()}>{t.makeLink}</button>
          </footer>
        )}
    </>
  );
}
