/** How it stands with the connection. When all is well there is nothing to see. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type ConnectionState, NatterError } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";

/** `above` an open conversation it is for phones, which do not show the list then. */
export function Connection({ connection, above }: { connection: ConnectionState; above?: boolean }): JSX.Element {
  const { session } = useParts();
  const { text, button } = describe(connection);
  // The box is always there: a screen reader tells only what changes in what it knows.
  return (
    <div class={`${above ? "above" : "connection"} ${connection.state}`} data-state={connection.state}>
      <span role="status">
        {connection.state === "online" ? <span class="hidden">{t.onlineAgain}</span> : text}
      </span>
      {connection.state === "offline" && <Countdown until={connection.until} />}
      {button && <button type="button" class="link" onClick={() => session.reconnect()}>{button}</button>}
    </div>
  );
}

function describe(connection: ConnectionState): { text: string; button?: string } {
  switch (connection.state) {
    case "online":
      return { text: "" };
    case "connecting":
      return { text: t.connecting };
    case "offline": {
      const inUse = connection.error instanceof NatterError && connection.error.errno === 2;
      return { text: inUse ? t.inUse : t.noConnection, button: t.tryNow };
    }
    case "closed":
      if (connection.reason === "inuse") return { text: t.inUseGivenUp, button: t.again };
      if (connection.reason !== "goodbye") return { text: t.noConnection, button: t.comeBack };
      return { text: reasonOf(connection.error), button: t.comeBack };
  }
}

function reasonOf(error: Error): string {
  const goodbye = "goodbye" in error ? error.goodbye as { reason: string } | undefined : undefined;
  if (goodbye?.reason === "kicked" || goodbye?.reason === "replaced") return t.goodbye[goodbye.reason];
  return t.goodbye.other;
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
