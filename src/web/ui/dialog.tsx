/** A dialog above the page: the browser keeps the focus in it, and Esc closes it. */
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";
import { Icon } from "./icons.tsx";

export function Dialog({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const { store } = useParts();
  const close = () => store.update({ dialog: undefined });
  useLayoutEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby="dialog-title"
      onClose={close}
      // The dialog's own box is filled by its content: what hits the dialog itself hit the backdrop.
      onMouseDown={(event) => event.target === ref.current && close()}
    >
      <div class="dialog">
        <header>
          <h2 id="dialog-title">{title}</h2>
          <button type="button" class="round" aria-label={t.close} title={t.close} onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** One of a few choices, as a row of buttons. */
export function Choice<T extends string>({ label, value, options, choose }: {
  label: string;
  /** Which one it is; undefined: not known yet. */
  value: T | undefined;
  options: [T, string][];
  choose: (value: T) => void;
}): JSX.Element {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button type="button" key={option} aria-pressed={option === value} onClick={() => choose(option)}>{text}</button>
      ))}
    </div>
  );
}
