/** What one says of oneself. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Profile } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";
import { Choice } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

/** In characters, as the server has it. */
const MAX_ABOUT = 200;

export function ProfileSettings({ id }: { id: number }): JSX.Element {
  const { account, talk } = useParts();
  const { busy, error, run } = useRequest();
  // For itself: a choice that is made while the line is on its way is not lost.
  const receipts = useRequest();
  const [profile, setProfile] = useState<Profile>();
  const [about, setAbout] = useState("");
  /** `said`: what the field said when it was asked, as far as it is known. What has been typed there since stays. */
  const show = (fresh: Profile, said?: string) => {
    setProfile(fresh);
    setAbout((now) => said === undefined || now.trim() === said ? fresh.about : now);
    talk.names.again(id);
  };
  useEffect(() => void run(async () => show(await account.client.profile())), []);
  const save = (event: Event) => {
    event.preventDefault();
    const said = about.trim();
    void run(async () => show(await account.client.profile({ about: said }), said));
  };
  return (
    <>
      <h3>{t.aboutYou}</h3>
      {(error || receipts.error) && <p class="error" role="alert">{error || receipts.error}</p>}
      <form onSubmit={save}>
        <label>
          <span>{t.aboutHint}</span>
          <input
            dir="auto"
            maxLength={MAX_ABOUT}
            disabled={!profile}
            value={about}
            onInput={(event) => setAbout(event.currentTarget.value)}
          />
        </label>
        {profile && about.trim() !== profile.about && <button type="submit" class="quiet" disabled={busy}>{t.save}</button>}
      </form>
      <h3>{t.receipts}</h3>
      <p class="fine">{t.receiptsHint}</p>
      {/* Before it is known, too: what is below would move under the finger. */}
      <Choice
        label={t.receipts}
        value={profile && (profile.receipts ? "on" : "off")}
        options={[["on", t.notificationsOn], ["off", t.notificationsOff]]}
        choose={(chosen) => void receipts.run(async () => show(await account.client.profile({ receipts: chosen === "on" }), profile?.about))}
      />
    </>
  );
}
