/** The page was opened by a link to a group. */
import type { JSX } from "preact";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { useRequest } from "./use_request.ts";

export function JoinDialog({ code }: { code: string }): JSX.Element {
  const { groups, route, store } = useParts();
  const { busy, error, run } = useRequest();
  const join = () => run(async () => route.open(await groups.joinByCode(code)), { 22: t.banned, 27: t.codeInvalid });
  return (
    <Dialog title={t.joinTitle}>
      <p>{t.joinText}</p>
      {error && <p class="error" role="alert">{error}</p>}
      <footer>
        <button type="button" class="quiet" onClick={() => store.update({ dialog: undefined })}>{t.cancel}</button>
        <button type="button" class="primary" disabled={busy} onClick={() => void join()}>{t.join}</button>
      </footer>
    </Dialog>
  );
}
