/** All that the server keeps of the user, saved by the browser. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { exportData, FileRefused } from "../../client/files.ts";
import { serverUrl } from "../format.ts";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";
import { useRequest } from "./use_request.ts";

/** Its last line, by which what is whole is told from what broke off. */
const END = '{"what":"end"}\n';
/** How long the browser may take to save it (ms). */
const SAVING_MS = 60_000;

/** What became of it. */
type Outcome = "exportDone" | "exportBroken" | "exportOften";

export function ExportData(): JSX.Element {
  const { account } = useParts();
  const { busy, error, run } = useRequest();
  const [outcome, setOutcome] = useState<Outcome>();
  const save = async () => {
    setOutcome(undefined);
    try {
      setOutcome(await saved(account.token));
    } catch (failure) {
      if (!(failure instanceof FileRefused && failure.status === 429)) throw failure;
      setOutcome("exportOften");
    }
  };
  return (
    <>
      <h3>{t.exportData}</h3>
      <p class="fine">{t.exportText}</p>
      {error && <p class="error" role="alert">{error}</p>}
      {outcome && <p class={outcome === "exportDone" ? "note" : "error"} role="status">{t[outcome]}</p>}
      <button type="button" class="quiet" disabled={busy} onClick={() => void run(save)}>{busy ? t.loading : t.exportSave}</button>
    </>
  );
}

async function saved(token: string): Promise<Outcome> {
  const response = await exportData({ url: serverUrl(), token });
  // A connection that ends in the middle.
  const blob = await response.blob().catch(() => new Blob());
  if (await blob.slice(-END.length).text() !== END) return "exportBroken";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "natter-export.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SAVING_MS);
  return "exportDone";
}
