/**
 * Speaking to members of a group by name. Behind an `@` in the field a list opens: arrows go through it, Enter, Tab or a touch takes a name, Esc closes it.
 *
 * The focus stays in the field, which names the chosen option (`aria-activedescendant`). It stays a text field of several lines, which no combobox is: a screen
 * reader is told by word that there is a list.
 */
import type { JSX, RefObject, TargetedKeyboardEvent } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Members, User } from "../../client/natter_client.ts";
import { begunMention, mentionPattern } from "../../search/mentions.ts";
import { t } from "../i18n.ts";
import { type Conversation, isGroup, type Line, numberOf } from "../state/model.ts";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";

/** So many members are shown at once, at most: a few letters more leave fewer. */
const MOST_OFFERED = 20;

/** Names that are marked in what is said, and one's own among them. */
export interface Named {
  pattern: RegExp;
  me: string;
}

/** The names of who is in the group, or has spoken there. @param me one's own */
export function useNamed({ key, lines }: Pick<Conversation, "key" | "lines">, members: Members | undefined, me: string): Named | undefined {
  // By their text: lists are others with every message, names hardly ever.
  const names = isGroup(key)
    ? [...new Set([me, ...members?.members.map(({ name }) => name) ?? [], ...lines.map(({ name }) => name)])].join("\n")
    : "";
  return useMemo(() => names === "" ? undefined : { pattern: mentionPattern(names.split("\n")), me: me.toLowerCase() }, [names, me]);
}

interface Mentioning {
  /** For the field. */
  attributes: Record<string, string | undefined>;
  list: JSX.Element | false;
  /** The caret is somewhere else. */
  look(): void;
  close(): void;
  /** @returns whether the key was the list's */
  onKeyDown(event: TargetedKeyboardEvent<HTMLTextAreaElement>): boolean;
}

/** `change`: the field says something else. */
export function useMentioning(
  field: RefObject<HTMLTextAreaElement | null>,
  { key, lines }: Conversation,
  me: number,
  members: Members | undefined,
  change: (text: string) => void,
): Mentioning {
  const { store, groups } = useParts();
  const [place, setPlace] = useState<{ at: number; begun: string }>();
  const [chosen, setChosen] = useState(0);
  /** Where the user has closed the list. */
  const closed = useRef<number | undefined>(undefined);
  const found = useMemo(() => place && members ? starting(place.begun, members.members, lines, me) : [], [place, members]);
  const open = found.length > 0;
  const option = found[Math.min(chosen, found.length - 1)];
  // All can be found, in large groups too; what fails is asked for at the next letter.
  useEffect(() => {
    if (place && members?.more) void groups.loadMembers(numberOf(key), true).catch(() => {});
  }, [place, members]);
  useEffect(() => {
    if (open) store.update({ spoken: t.mentionable(found.length) });
  }, [found.length]);

  const look = () => {
    const { selectionStart, selectionEnd, value } = field.current!;
    const now = isGroup(key) && selectionStart === selectionEnd ? begunMention(value.slice(0, selectionStart)) : undefined;
    if (now?.at !== closed.current) closed.current = undefined;
    if (now?.at === place?.at && now?.begun === place?.begun) return;
    setChosen(0);
    setPlace(closed.current === undefined ? now : undefined);
  };
  const close = () => setPlace(undefined);
  const take = ({ name }: User) => {
    const box = field.current!;
    box.setRangeText(`@${name} `, place!.at, place!.at + 1 + place!.begun.length, "end");
    change(box.value);
    close();
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLTextAreaElement>) => {
    if (!open || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setChosen((found.indexOf(option) + step + found.length) % found.length);
    else if (event.key === "Enter" || event.key === "Tab") take(option);
    else if (event.key === "Escape") {
      closed.current = place!.at;
      close();
    } else return false;
    event.preventDefault();
    // Esc would leave the conversation as well.
    event.stopPropagation();
    return true;
  };
  return {
    attributes: isGroup(key)
      ? {
        "aria-autocomplete": "list",
        "aria-haspopup": "listbox",
        "aria-controls": open ? "mentions" : undefined,
        "aria-activedescendant": open ? `mention-${option.id}` : undefined,
      }
      : {},
    list: open && <Options found={found} option={option} take={take} />,
    look,
    close,
    onKeyDown,
  };
}

function Options({ found, option, take }: { found: readonly User[]; option: User; take(user: User): void }): JSX.Element {
  const ref = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => ref.current!.querySelector("[aria-selected=true]")!.scrollIntoView({ block: "nearest" }), [option]);
  return (
    <ul ref={ref} id="mentions" class="mentions" role="listbox" aria-label={t.mentionWhom}>
      {found.map((user) => (
        <li
          key={user.id}
          id={`mention-${user.id}`}
          role="option"
          aria-selected={user === option}
          // The field keeps the focus.
          onPointerDown={(event) => event.preventDefault()}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => take(user)}
        >
          <Avatar id={user.id} name={user.name} size="small" />
          <bdi>{user.name}</bdi>
        </li>
      ))}
    </ul>
  );
}

/** Whose name, or a word of it, begins so; who spoke last comes first. */
function starting(begun: string, members: readonly User[], lines: readonly Line[], me: number): User[] {
  const small = begun.toLowerCase();
  const spoke = new Map(lines.map(({ id }, i) => [id, i]));
  return members.filter(({ id, name }) => id !== me && ` ${name.toLowerCase()}`.includes(` ${small}`))
    .sort((a, b) => (spoke.get(b.id) ?? -1) - (spoke.get(a.id) ?? -1)).slice(0, MOST_OFFERED);
}
