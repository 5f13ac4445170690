/** Showing a message to whoever runs the server. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n.ts";
import type { Line } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

/** In characters, as the server has it. */
const MAX_REASON = 500;

export function ReportDialog({ line }: { line: Line }): JSX.Element {
  const { account, store } = useParts();
  const { busy, error, run } = useRequest();
  const [reason, setReason] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!await run(() => account.client.report(line.messageid, reason.trim()))) return;
    store.update({ spoken: t.reported });
    store.done("report");
  };
  return (
    <Dialog title={t.report}>
      <form onSubmit={(event) => void submit(event)}>
        <p>{t.reportText}</p>
        <label>
          <span>{t.reportReason}</span>
          <input autofocus required dir="auto" maxLength={MAX_REASON} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        {error && <p class="error" role="alert">{error}</p>}
        <footer>
          <button type="submit" class="primary" disabled={busy || reason.trim() === ""}>{t.report}</button>
        </footer>
      </form>
    </Dialog>
  );
}
