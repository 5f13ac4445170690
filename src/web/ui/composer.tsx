/** Where messages are written. Enter sends, Shift+Enter begins a new line; on a phone Enter does. What is not sent stays when the page is closed. */
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n.ts";
import { isGroup, type Key } from "../state/model.ts";
import { readDraft, writeDraft } from "../state/storage.ts";
import { useParts } from "./context.ts";
import { Icon } from "./icons.tsx";

/** A text of nothing but these shows nothing. */
const UNSEEN = /^[\s\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800]*$/u;

/** What a message's line holds beside its text (bytes), at most. */
const ENVELOPE = 200;

export function Composer({ conversation, name, me, maxLine, closed }: {
  conversation: Key;
  name: string;
  me: number;
  /** Bytes. */
  maxLine: number;
  /** There is no session, and none will come by itself. */
  closed: boolean;
}): JSX.Element {
  const { talk } = useParts();
  const [text, setText] = useState(() => readDraft(me, conversation));
  const ref = useRef<HTMLTextAreaElement>(null);
  const bytes = bytesOf(text);
  // In characters, about: nobody counts bytes.
  const tooMany = Math.ceil((bytes + ENVELOPE - maxLine) * text.length / Math.max(1, bytes));
  const byKeyboard = matchMedia("(pointer: fine)").matches;

  useLayoutEffect(() => {
    const field = ref.current!;
    // On a phone the keyboard would cover what the user came to read.
    if (byKeyboard) field.focus();
  }, []);
  useLayoutEffect(() => {
    const field = ref.current!, form = field.form!;
    // Meanwhile the form stays as high as it is: what is above would take the room, and scroll.
    form.style.minHeight = `${form.offsetHeight}px`;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
    form.style.minHeight = "";
  }, [text]);

  const change = (value: string) => {
    setText(value);
    writeDraft(me, conversation, value);
    if (value.trim() !== "" && (isGroup(conversation) || conversation !== `u${me}`)) talk.typing(conversation);
  };
  const send = () => {
    const message = clean(text);
    if (message === "" || tooMany > 0 || closed) return;
    talk.send(conversation, message);
    setText("");
    writeDraft(me, conversation, "");
    if (byKeyboard) ref.current!.focus();
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLTextAreaElement>) => {
    // While characters are being composed, Enter takes one of them.
    if (event.key !== "Enter" || !byKeyboard || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {tooMany > 0 && <p class="error" role="alert">{t.tooLong(tooMany)}</p>}
      <textarea
        ref={ref}
        rows={1}
        dir="auto"
        value={text}
        aria-label={t.write(name)}
        placeholder={t.writePlaceholder}
        enterkeyhint={byKeyboard ? "send" : "enter"}
        disabled={closed}
        onInput={(event) => change(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <button
        type="submit"
        class="round primary"
        aria-label={t.send}
        title={t.send}
        disabled={clean(text) === "" || tooMany > 0 || closed}
        // The field keeps the focus, and a phone its keyboard.
        onPointerDown={(event) => event.preventDefault()}
        onMouseDown={(event) => event.preventDefault()}
      >
        <Icon name="send" />
      </button>
    </form>
  );
}

/** As the server takes it: without U+0000, without halves of characters; and without blank lines around it. What shows nothing is nothing. */
function clean(text: string): string {
  return UNSEEN.test(text) ? "" : text.replaceAll("\0", "").toWellFormed().replace(/^\s*\n|\s+$/g, "");
}

/** How many bytes it takes in a line. Short texts are not worth the counting. */
function bytesOf(text: string): number {
  return text.length < 1000 ? text.length : new TextEncoder().encode(JSON.stringify(text)).length;
}
