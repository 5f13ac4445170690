/** A menu beside what was clicked: arrows go through it, Esc and whatever happens elsewhere close it. */
import type { ComponentChildren, JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icons.tsx";

export interface MenuItem {
  text: string;
  icon: IconName;
  danger?: boolean;
  act(): void;
}

/** Where it is wanted (px, in the window): as low as `bottom`, or ending at `top` if there is no room. */
export interface Anchor {
  left: number;
  top: number;
  bottom: number;
}

/** How far from the window's edge it stays (px). */
const MARGIN = 8;

export function Menu({ label, anchor, items, close, children }: {
  label: string;
  anchor: Anchor;
  items: MenuItem[];
  close(): void;
  /** Stands above the items. */
  children?: ComponentChildren;
}): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const menu = ref.current!;
    const { offsetWidth: width, offsetHeight: height } = menu;
    const below = anchor.bottom + height + MARGIN <= innerHeight;
    menu.style.left = `${Math.max(MARGIN, Math.min(anchor.left, innerWidth - width - MARGIN))}px`;
    menu.style.top = `${Math.max(MARGIN, below ? anchor.bottom : Math.min(anchor.top - height, innerHeight - height - MARGIN))}px`;
    menu.querySelector("button")?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    const outside = ({ target }: Event) => {
      if (!(target instanceof Node && ref.current?.contains(target))) close();
    };
    addEventListener("pointerdown", outside, true);
    addEventListener("wheel", outside, true);
    addEventListener("resize", close);
    return () => {
      removeEventListener("pointerdown", outside, true);
      removeEventListener("wheel", outside, true);
      removeEventListener("resize", close);
    };
  }, []);

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const buttons = [...event.currentTarget.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -at, End: buttons.length - 1 - at };
    const step = steps[event.key];
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (step === undefined) return;
    else buttons[(at + step + buttons.length) % buttons.length].focus();
    // Esc would leave the conversation as well.
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div ref={ref} class="menu" role="menu" aria-label={label} onKeyDown={onKeyDown} onContextMenu={(event) => event.preventDefault()}>
      {children}
      {items.map(({ text, icon, danger, act }) => (
        <button
          type="button"
          key={text}
          role="menuitem"
          tabIndex={-1}
          class={danger ? "danger" : ""}
          onClick={() => {
            close();
            act();
          }}
        >
          <Icon name={icon} />
          {text}
        </button>
      ))}
    </div>
  );
}

/** Beside an element, or where the pointer is. */
export function anchorOf(event: MouseEvent, element: Element): Anchor {
  const { left, top, bottom } = element.getBoundingClientRect();
  // A key has no pointer.
  const byPointer = event.type === "contextmenu" && (event.clientX !== 0 || event.clientY !== 0);
  return byPointer ? { left: event.clientX, top: event.clientY, bottom: event.clientY } : { left, top: top - 4, bottom: bottom + 4 };
}
