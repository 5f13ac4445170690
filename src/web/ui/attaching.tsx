/** Attaching files to what is being written: by a button, dropped on the conversation, pasted. */
import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";
import { explainUpload, sizeOf } from "../format.ts";
import { t } from "../i18n.ts";
import type { Key } from "../state/model.ts";
import { MAX_FILES, type Upload } from "../state/uploads.ts";
import { useParts } from "./context.ts";
import { Icon } from "./icons.tsx";

interface Attaching {
  uploads: readonly Upload[];
  add(files: readonly File[]): void;
  /** With the message. */
  take(): number[];
}

/** `able`: files may be attached now. `form`: files may be dropped on all that is around it. */
export function useAttaching(me: number, key: Key, able: boolean, form: RefObject<HTMLFormElement | null>): Attaching {
  const { uploads, store } = useParts();
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  // With what is drawn, both: what is attached, or done, before the next frame is told to nobody else.
  useLayoutEffect(() => {
    uploads.changed = () => redraw();
    return () => uploads.changed = () => {};
  }, []);
  const add = (files: readonly File[]) => {
    if (files.length > 0 && !uploads.add(me, key, files)) store.complain(t.tooManyFiles(MAX_FILES));
  };
  useLayoutEffect(() => {
    const place = form.current?.closest("main");
    if (!place || !able) return;
    const mark = (event: DragEvent) => place.classList.toggle("dropping", event.type === "dragover" && !!event.dataTransfer?.types.includes("Files"));
    const drop = (event: DragEvent) => {
      mark(event);
      add([...event.dataTransfer?.files ?? []]);
    };
    place.addEventListener("dragover", mark);
    place.addEventListener("dragleave", mark);
    place.addEventListener("drop", drop);
    return () => {
      place.classList.remove("dropping");
      place.removeEventListener("dragover", mark);
      place.removeEventListener("dragleave", mark);
      place.removeEventListener("drop", drop);
    };
  }, [able]);
  return { uploads: uploads.of(me, key), add, take: () => uploads.take(me, key) };
}

export function AttachButton({ add, disabled }: { add(files: readonly File[]): void; disabled: boolean }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={t.attach}
        onChange={(event) => {
          add([...event.currentTarget.files ?? []]);
          // The same file may be chosen again.
          event.currentTarget.value = "";
        }}
      />
      <button type="button" class="round attach" aria-label={t.attach} title={t.attach} disabled={disabled} onClick={() => input.current!.click()}>
        <Icon name="clip" />
      </button>
    </>
  );
}

/** Above the field: what will go with the message. */
export function Attached({ me, conversation, list }: { me: number; conversation: Key; list: readonly Upload[] }): JSX.Element {
  const { uploads } = useParts();
  return (
    <ul class="attached" aria-label={t.attachments}>
      {list.map((upload) => {
        const { id, file: { name, size }, state, part, error } = upload;
        return (
          <li key={id}>
            <span class="file-text">
              <bdi class="file-name">{name}</bdi>
              {state === "failed" ? <span class="danger" role="alert">{explainUpload(error)}</span> : <span class="fine">{sizeOf(size)}</span>}
              {state === "going" && <progress value={part} aria-label={t.uploading(name)} />}
            </span>
            {state === "failed" && <button type="button" class="link" onClick={() => uploads.again(me, conversation, upload)}>{t.again}</button>}
            <button
              type="button"
              class="round"
              aria-label={t.removeFile(name)}
              title={t.removeFile(name)}
              onClick={() => uploads.remove(me, conversation, upload)}
            >
              <Icon name="close" />
            </button>
          </li>
        );
      })}
    </ul>
  );
}
