/** A message. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { explain, fullTime, timeOfDay } from "../format.ts";
import { NatterError } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import type { Key, Line } from "../state/model.ts";
import { Attachments } from "./attachments.tsx";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";
import { Icon } from "./icons.tsx";
import { memo } from "./memo.ts";
import type { Named } from "./mentioning.tsx";
import { Quote } from "./quote.tsx";
import { Text } from "./text.tsx";

interface Props {
  conversation: Key;
  line: Line;
  me: number;
  /** In a group the sender is named. */
  named: boolean;
  /** Names that are marked in what is said. */
  mentions: Named | undefined;
  /** The first and the last of those that stand together. */
  first: boolean;
  last: boolean;
  /** The other one has read it. */
  read: boolean;
  /** What it answers; undefined: it is not here; null: it cannot be had. */
  quoted: Line | null | undefined;
  /** By Tab: the newest is, the others by arrows. */
  reachable: boolean;
  /** Opens its menu. */
  open(line: Line, event: MouseEvent): void;
}

export const Message = memo(({ conversation, line, me, named, mentions, first, last, read, quoted, reachable, open }: Props): JSX.Element => {
  const { id, name, msg, files, ts, state, messageid, deleted, edited, reply, silent, reactions } = line;
  const mine = id === me;
  const kind = `${mine ? "mine" : "theirs"} ${first ? "first" : ""} ${last ? "last" : ""} ${state}`;
  const menu = state === "stored" && !deleted;
  const time = timeOfDay(ts);
  return (
    <li class={`message ${kind}`} data-id={state === "stored" ? messageid : undefined}>
      {named && !mine && <span class="beside">{last && <Avatar id={id} name={name} size="small" />}</span>}
      <div class={`bubble ${deleted ? "stone" : ""}`} onContextMenu={menu ? (event) => wantsMenu(event) && open(line, event) : undefined}>
        {named && !mine && first ? <bdi class={`sender colour-${(id * 7) % 10}`}>{name}</bdi> : <span class="hidden">{mine ? t.you : name}:</span>}
        {reply !== undefined && !deleted && <Answered conversation={conversation} messageid={reply} line={quoted} me={me} />}
        {deleted ? <span class="gone">{t.deletedMessage}</span> : msg !== "" && <Text text={msg} mentions={mentions} />}
        {files && files.length > 0 && !deleted && <Attachments conversation={conversation} line={line} />}
        <span class="meta">
          {silent && !deleted && (
            <span class="state" role="img" aria-label={t.silent} title={t.silent}>
              <Icon name="muted" />
            </span>
          )}
          {edited !== undefined && <span title={fullTime(edited)}>{t.edited}</span>}
          <time dateTime={new Date(ts).toISOString()} title={fullTime(ts)}>{time}</time>
          {mine && !deleted && <State state={read ? "read" : state} />}
        </span>
        {reactions && reactions.length > 0 && <Reactions conversation={conversation} line={line} />}
      </div>
      {menu && (
        <button
          type="button"
          class="more"
          tabIndex={reachable ? 0 : -1}
          aria-haspopup="menu"
          aria-label={mine ? t.myMessageMenu(time) : t.messageMenu(name, time)}
          title={t.actions}
          onClick={(event) => open(line, event)}
        >
          <Icon name="more" />
        </button>
      )}
      {state === "failed" && <Failed conversation={conversation} line={line} />}
    </li>
  );
});

/** Links, and text that is chosen, have the browser's own menu. */
function wantsMenu(event: MouseEvent): boolean {
  if (event.target instanceof Element && event.target.closest("a, button") || getSelection()?.isCollapsed === false) return false;
  event.preventDefault();
  return true;
}

function State({ state }: { state: Line["state"] | "read" }): JSX.Element {
  const icon = { sending: "clock", stored: "check", read: "checks", failed: "alert" } as const;
  return (
    <span class="state" role="img" aria-label={t[state]} title={t[state]}>
      <Icon name={icon[state]} />
    </span>
  );
}

/** What a message answers; a click leads there. */
function Answered(
  { conversation, messageid, line, me }: { conversation: Key; messageid: number; line: Line | null | undefined; me: number },
): JSX.Element {
  const { talk } = useParts();
  useEffect(() => {
    if (line === undefined) void talk.pages.quote(conversation, messageid);
  }, [line === undefined]);
  return (
    <button
      type="button"
      class="answered"
      title={t.toReplied}
      disabled={line === null}
      onClick={() => void talk.pages.to(conversation, messageid)}
    >
      <Quote line={line} me={me} />
    </button>
  );
}

function Reactions({ conversation, line }: { conversation: Key; line: Line }): JSX.Element {
  const { talk } = useParts();
  return (
    <span class="reactions" role="group" aria-label={t.react}>
      {line.reactions!.map(({ emoji, count, mine }) => (
        <button
          type="button"
          key={emoji}
          aria-pressed={mine === true}
          onClick={() => void talk.deeds.react(conversation, line, emoji)}
        >
          {emoji} {count}
        </button>
      ))}
    </span>
  );
}

function Failed({ conversation, line }: { conversation: Key; line: Line }): JSX.Element {
  const { talk } = useParts();
  // As a rule it is that, and not what the message answers: files that wait for their message for a day go. So they would be refused each time.
  const isOver = line.errno === 26 && line.files !== undefined;
  return (
    <div class="failure" role="alert">
      <span>{t.failed}. {isOver ? t.filesOver : explain(new NatterError(line.errno ?? 0, ""))}</span>
      {!isOver && <button type="button" class="link" onClick={() => talk.retry(conversation, line)}>{t.retry}</button>}
      {isOver && line.msg !== "" && (
        <button type="button" class="link" onClick={() => talk.retry(conversation, { ...line, files: undefined })}>{t.sendWithoutFiles}</button>
      )}
      <button type="button" class="link" onClick={() => talk.discard(conversation, line)}>{t.discard}</button>
    </div>
  );
}
