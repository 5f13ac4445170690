/** How it stands with the connection. When all is well there is nothing to see. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ConnectionLost, type ConnectionState, NatterError } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";

/** When an attempt is slow (ms). */
const SLOW = 3000;

/** `above` an open conversation it is for phones, which do not show the list then. */
export function Connection({ connection, above }: { connection: ConnectionState; above?: boolean }): JSX.Element {
  const { account } = useParts();
  const slow = useSlow(connection);
  const { text, button, takeover } = describe(connection, slow);
  // The box is always there: a screen reader tells only what changes in what it knows.
  return (
    <div class={`${above ? "above" : "connection"} ${connection.state}`} data-state={connection.state}>
      <span role="status">
        {connection.state === "online" ? <span class="hidden">{t.onlineAgain}</span> : text}
      </span>
      {connection.state === "offline" && <Countdown until={connection.until} />}
      {button && <button type="button" class="link" onClick={() => void account.reconnect(takeover)}>{button}</button>}
    </div>
  );
}

/** `takeover`: the button takes the account from where it is. */
function describe(connection: ConnectionState, slow: boolean): { text: string; button?: string; takeover?: boolean } {
  switch (connection.state) {
    case "online":
      return { text: "" };
    case "connecting":
      return slow ? { text: t.connecting, button: t.tryNow } : { text: t.connecting };
    case "offline": {
      const inUse = connection.error instanceof NatterError && connection.error.errno === 2;
      return inUse ? { text: t.inUse, button: t.useHere, takeover: true } : { text: t.noConnection, button: t.tryNow };
    }
    case "closed":
      if (connection.reason === "inuse") return { text: t.inUse, button: t.useHere, takeover: true };
      if (connection.reason !== "goodbye") return { text: t.noConnection, button: t.comeBack };
      return describeGoodbye(connection.error);
  }
}

function describeGoodbye(error: Error): { text: string; button: string; takeover?: boolean } {
  const reason = error instanceof ConnectionLost ? error.goodbye?.reason : undefined;
  if (reason === "replaced") return { text: t.goodbye.replaced, button: t.useHere, takeover: true };
  return { text: reason === "kicked" ? t.goodbye.kicked : t.goodbye.other, button: t.comeBack };
}

/** Whether an attempt to connect takes so long that the user may want another one. */
function useSlow(connection: ConnectionState): boolean {
  const [slow, setSlow] = useState<ConnectionState>();
  useEffect(() => {
    if (connection.state !== "connecting") return;
    const timer = setTimeout(() => setSlow(connection), SLOW);
    return () => clearTimeout(timer);
  }, [connection]);
  return slow === connection;
}

/** Seconds until the next attempt. Not read aloud. */
function Countdown({ until }: { until: number }): JSX.Element | null {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((until - Date.now()) / 1000);
  return seconds > 0 ? <span class="countdown" aria-hidden="true">{t.nextTry(seconds)}</span> : null;
}
