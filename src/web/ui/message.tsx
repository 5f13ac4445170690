/** A message. */
import type { JSX } from "preact";
import { explain, fullTime, timeOfDay } from "../format.ts";
import { NatterError } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import type { Key, Line } from "../state/model.ts";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";
import { Icon } from "./icons.tsx";
import { memo } from "./memo.ts";
import { Text } from "./text.tsx";

interface Props {
  conversation: Key;
  line: Line;
  mine: boolean;
  /** In a group the sender is named. */
  named: boolean;
  /** The first and the last of those that stand together. */
  first: boolean;
  last: boolean;
}

export const Message = memo(({ conversation, line, mine, named, first, last }: Props): JSX.Element => {
  const { id, name, msg, ts, state } = line;
  const kind = `${mine ? "mine" : "theirs"} ${first ? "first" : ""} ${last ? "last" : ""} ${state}`;
  return (
    <li class={`message ${kind}`}>
      {named && !mine && <span class="beside">{last && <Avatar id={id} name={name} size="small" />}</span>}
      <div class="bubble">
        {named && !mine && first ? <bdi class={`sender colour-${(id * 7) % 10}`}>{name}</bdi> : <span class="hidden">{mine ? t.you : name}:</span>}
        <Text text={msg} />
        <span class="meta">
          <time dateTime={new Date(ts).toISOString()} title={fullTime(ts)}>{timeOfDay(ts)}</time>
          {mine && <State state={state} />}
        </span>
      </div>
      {state === "failed" && <Failed conversation={conversation} line={line} />}
    </li>
  );
});

function State({ state }: Pick<Line, "state">): JSX.Element {
  const icon = { sending: "clock", stored: "check", failed: "alert" } as const;
  return (
    <span class="state" role="img" aria-label={t[state]} title={t[state]}>
      <Icon name={icon[state]} />
    </span>
  );
}

function Failed({ conversation, line }: { conversation: Key; line: Line }): JSX.Element {
  const { talk } = useParts();
  return (
    <div class="failure" role="alert">
      <span>{t.failed}. {explain(new NatterError(line.errno ?? 0, ""))}</span>
      <button type="button" class="link" onClick={() => talk.retry(conversation, line)}>{t.retry}</button>
      <button type="button" class="link" onClick={() => talk.discard(conversation, line)}>{t.discard}</button>
    </div>
  );
}
