/**
 * Where messages are written: new ones, answers, other texts for one's own. Enter sends, Shift+Enter begins a new line; on a phone Enter does. Arrow up in the empty
 * field edits one's last message. Beside the button for sending, or in its menu, is how to send without a sound. What is not sent stays when the page is closed.
 */
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Members } from "../../client/natter_client.ts";
import { explain } from "../format.ts";
import { t } from "../i18n.ts";
import { mayEdit } from "../state/deeds.ts";
import { currentLine } from "../state/lines.ts";
import type { Conversation } from "../state/model.ts";
import { readDraft, writeDraft } from "../state/storage.ts";
import { AttachButton, Attached, useAttaching } from "./attaching.tsx";
import { useParts } from "./context.ts";
import { EmojiDialog } from "./emoji_dialog.tsx";
import { isComposing } from "./keys.ts";
import { Icon } from "./icons.tsx";
import { type Anchor, anchorOf, Menu } from "./menu.tsx";
import { useMentioning } from "./mentioning.tsx";
import { Writing } from "./writing.tsx";

/** A text of nothing but these shows nothing. */
const ALL_UNSEEN = /^[\s\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800]*$/u;

/** What a message's line holds beside its text (bytes), at most. */
const CHAT_ENVELOPE = 200;

export function Composer({ conversation, name, me, members, maxLine, files, closed, choosing }: {
  conversation: Conversation;
  name: string;
  me: number;
  /** Of the group, as far as they are known. */
  members: Members | undefined;
  /** Bytes. */
  maxLine: number;
  /** The server takes them. */
  files: boolean;
  /** There is no session, and none will come by itself. */
  closed: boolean;
  /** The dialog with all emoji is open. */
  choosing: boolean;
}): JSX.Element {
  const { store, talk } = useParts();
  const { key, writing } = conversation;
  /** Another text that is on its way, or was refused. */
  const [saving, setSaving] = useState<{ writing: Conversation["writing"]; error?: string }>();
  // The user may have turned to something else since.
  const saved = saving?.writing === writing ? saving : undefined;
  const error = saved?.error, busy = saved !== undefined && error === undefined;
  const edited = writing?.what === "edit" ? writing.line : undefined;
  const [text, setText] = useState(() => edited ? edited.msg : readDraft(me, key));
  const ref = useRef<HTMLTextAreaElement>(null);
  const bytes = bytesOf(text);
  // In characters, about: nobody counts bytes.
  const tooMany = Math.ceil((bytes + CHAT_ENVELOPE - maxLine) * text.length / Math.max(1, bytes));
  const byKeyboard = !matchMedia("(pointer: coarse)").matches;
  const form = useRef<HTMLFormElement>(null);
  const [menu, setMenu] = useState<Anchor>();
  const able = files && !closed && !edited;
  const attaching = useAttaching(me, key, able, form);
  const uploads = edited ? [] : attaching.uploads;
  const unready = uploads.some(({ state }) => state !== "done");
  const impossible = clean(text) === "" && uploads.length === 0 || unready || tooMany > 0 || closed || busy;

  useLayoutEffect(() => {
    const field = ref.current!;
    // On a phone the keyboard would cover what the user came to read.
    if (byKeyboard) field.focus();
  }, []);
  const before = useRef(edited);
  useLayoutEffect(() => {
    if (edited?.messageid !== before.current?.messageid) setText(edited ? edited.msg : readDraft(me, key));
    before.current = edited;
    if (!writing) return;
    const field = ref.current!;
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }, [writing?.what, writing?.line.messageid]);
  useLayoutEffect(() => {
    const field = ref.current!, form = field.form!;
    // Meanwhile the form stays as high as it is: what is above would take the room, and scroll.
    form.style.minHeight = `${form.offsetHeight}px`;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
    form.style.minHeight = "";
  }, [text]);

  const isPut = useRef(false);
  useLayoutEffect(() => {
    if (choosing || !isPut.current) return;
    isPut.current = false;
    ref.current!.focus();
  }, [choosing]);

  const stop = () => talk.write(key, undefined);
  const typed = useRef(text);
  typed.current = text;
  /** Gives a message another text. The answer may take its time: what the user does meanwhile stays as it is. */
  const save = async (writing: NonNullable<Conversation["writing"]>, message: string) => {
    const isCurrent = () => store.conversation(key)?.writing === writing;
    setSaving({ writing });
    try {
      if (message !== writing.line.msg) await talk.deeds.edit(key, writing.line, message);
      if (!isCurrent()) return;
      if (clean(typed.current) === message) stop();
      else talk.write(key, { ...writing, line: currentLine(store.conversation(key), writing.line) });
    } catch (failure) {
      if (isCurrent()) setSaving({ writing, error: explain(failure) });
      else store.complain(explain(failure));
    }
  };
  const change = (value: string) => {
    setText(value);
    if (edited) return;
    writeDraft(me, key, value);
    if (value.trim() !== "" && key !== `u${me}`) talk.typing.tell(key);
  };
  const mentioning = useMentioning(ref, conversation, me, members, change);
  const send = (silent = false) => {
    const message = clean(text);
    if (impossible) return;
    if (byKeyboard) ref.current!.focus();
    if (edited) return void save(writing!, message);
    talk.send(key, message, { files: uploads.length > 0 ? attaching.take() : undefined, silent });
    setText("");
    writeDraft(me, key, "");
  };
  const put = (emoji: string) => {
    const field = ref.current!;
    field.setRangeText(emoji, field.selectionStart, field.selectionEnd, "end");
    change(field.value);
    isPut.current = true;
  };
  const ways = (event: MouseEvent) => {
    event.preventDefault();
    setMenu(anchorOf(event, event.currentTarget as Element));
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLTextAreaElement>) => {
    // While characters are being composed, Enter takes one of them.
    if (isComposing(event) || mentioning.onKeyDown(event)) return;
    if (event.key === "Escape" && writing) {
      event.stopPropagation();
      stop();
    } else if (event.key === "ArrowUp" && text === "" && !writing) {
      // Among older ones one's last is not to be found.
      const line = conversation.moreafter ? undefined : conversation.lines.findLast((line) => mayEdit(store.state, line));
      if (!line) return;
      talk.write(key, { what: "edit", line });
    } else if (event.key === "Enter" && byKeyboard && !event.shiftKey) {
      send();
    } else {
      return;
    }
    event.preventDefault();
  };

  return (
    <>
      <form
        ref={form}
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {tooMany > 0 && <p class="error" role="alert">{t.tooLong(tooMany)}</p>}
        {error && <p class="error" role="alert">{error}</p>}
        {writing && <Writing writing={writing} me={me} stop={stop} />}
        {uploads.length > 0 && <Attached me={me} conversation={key} list={uploads} />}
        {mentioning.list}
        <textarea
          ref={ref}
          rows={1}
          dir="auto"
          value={text}
          aria-label={edited ? t.editing : t.write(name)}
          placeholder={t.writePlaceholder}
          enterkeyhint={byKeyboard ? "send" : "enter"}
          disabled={closed}
          {...mentioning.attributes}
          onInput={(event) => {
            change(event.currentTarget.value);
            mentioning.look();
          }}
          onKeyDown={onKeyDown}
          onKeyUp={mentioning.look}
          onClick={mentioning.look}
          onBlur={mentioning.close}
          onPaste={(event) => {
            const { files, types } = event.clipboardData!;
            // Of a piece of a document there is a picture too: its text is meant.
            if (!able || files.length === 0 || types.includes("text/plain")) return;
            event.preventDefault();
            attaching.add([...files]);
          }}
        />
        {/* Behind the field: one step back from there is the newest message. */}
        {/* The keyboards of phones have them. */}
        {byKeyboard && (
          <button
            type="button"
            class="round emoji"
            aria-label={t.emoji}
            title={t.emoji}
            disabled={closed}
            onClick={() => store.update({ dialog: "emoji" })}
          >
            <Icon name="smile" />
          </button>
        )}
        {files && <AttachButton add={attaching.add} disabled={!able} />}
        <button
          type="submit"
          class="round primary"
          aria-label={edited ? t.save : t.send}
          title={edited ? t.save : t.send}
          disabled={impossible}
          onContextMenu={edited ? undefined : ways}
          // The field keeps the focus, and a phone its keyboard.
          onPointerDown={(event) => event.preventDefault()}
          onMouseDown={(event) => event.preventDefault()}
        >
          <Icon name={edited ? "check" : "send"} />
        </button>
        {!edited && (
          <button
            type="button"
            class="ways"
            aria-haspopup="menu"
            aria-label={t.waysToSend}
            title={t.waysToSend}
            disabled={impossible}
            onClick={ways}
          >
            <Icon name="up" />
          </button>
        )}
        {menu && (
          <Menu
            label={t.waysToSend}
            anchor={menu}
            items={[{ text: t.sendSilently, icon: "muted", act: () => send(true) }]}
            close={() => setMenu(undefined)}
          />
        )}
      </form>
      {choosing && <EmojiDialog title={t.emoji} chosen={put} />}
    </>
  );
}

/** As the server takes it: without U+0000, without halves of characters; and without blank lines around it. What shows nothing is nothing. */
function clean(text: string): string {
  return ALL_UNSEEN.test(text) ? "" : text.replaceAll("\0", "").toWellFormed().replace(/^\s*\n|\s+$/g, "");
}

/** How many bytes it takes in a line. Short texts are not worth the counting. */
function bytesOf(text: string): number {
  return text.length < 1000 ? text.length : new TextEncoder().encode(JSON.stringify(text)).length;
}
