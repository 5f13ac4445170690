/** What the user is told while the page is closed. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { explain } from "../format.ts";
import { t } from "../i18n.ts";
import type { Pushed } from "../web_push.ts";
import { useParts } from "./context.ts";
import { Choice } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

const ALL = ["off", "who", "text"] as const;

export function PushSettings(): JSX.Element {
  const { webPush } = useParts();
  const { error, run } = useRequest((failure, particular) => failure instanceof DOMException ? t.pushFailed : explain(failure, particular));
  const [pushed, setPushed] = useState<Pushed>();
  useEffect(() => void run(async () => setPushed(await webPush.state())), []);
  return (
    <>
      <h3>{t.pushed}</h3>
      {error && <p class="error" role="alert">{error}</p>}
      <Choice
        label={t.pushed}
        value={pushed}
        options={ALL.map((what) => [what, t.pushedWhat[what]])}
        choose={(chosen) => void run(async () => setPushed(await webPush.turn(chosen)))}
      />
      <p class="fine">{t.pushedHint}</p>
    </>
  );
}
