/** Messages in which the words of a search stand: in all conversations, or in the one that is open. Each leads to its place. */
import type { ComponentChild, JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ChatMessage } from "../../client/natter_client.ts";
import { Query } from "../../search/tokenizer.ts";
import { explain, fullTime, shortTime } from "../format.ts";
import { t } from "../i18n.ts";
import { isGroup, type Key, keyOf, numberOf, targetOf } from "../state/model.ts";
import type { State } from "../state/store.ts";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";

/** Until whoever types has paused (ms). */
const PAUSE = 250;
/** Messages that are asked for at once; characters of a search, at most. */
const FOUND_OF_PAGE = 20, LONGEST_SEARCH = 100;

interface Found {
  messages: readonly ChatMessage[];
  more: boolean;
}

interface Props {
  text: string;
  state: State;
  /** What a conversation is called. */
  nameOf: (key: Key) => string;
}

/** Items of the list, below the conversations. */
export function FoundMessages({ text, state, nameOf }: Props): JSX.Element {
  const { account, store, route, talk } = useParts();
  const { me, open, within: place } = state;
  const offered = place ?? open;
  const [found, setFound] = useState<Found>();
  const [error, setError] = useState("");
  const [asking, setAsking] = useState(false);
  const words = [...text].slice(0, LONGEST_SEARCH).join("");
  const query = useMemo(() => new Query(words), [words]);
  const isOnline = state.connection.state === "online";
  /** What is looked for now, as long as this is the same object. */
  const run = useRef({});

  const ask = async (before: number | undefined) => {
    const asked = run.current;
    const isCurrent = () => run.current === asked;
    setAsking(true);
    try {
      const of = place === undefined ? undefined : targetOf(place);
      const search = () => account.client.search(words, { ...of ? { of } : {}, before, limit: FOUND_OF_PAGE });
      await talk.meanwhile.asked(search, (page) => {
        if (!isCurrent()) return;
        setError("");
        setFound((known) => ({ messages: [...before === undefined ? [] : known?.messages ?? [], ...page.messages], more: page.more }));
      });
    } catch (failure) {
      if (isCurrent()) setError(explain(failure));
    } finally {
      if (isCurrent()) setAsking(false);
    }
  };

  useEffect(() => {
    run.current = {};
    setFound(undefined);
    setError("");
    setAsking(false);
    if (query.empty || !isOnline) return;
    const timer = setTimeout(() => void ask(undefined), PAUSE);
    return () => clearTimeout(timer);
  }, [words, place, isOnline]);

  useEffect(() => {
    talk.deeds.changed = (messageid, msg) =>
      setFound((known) =>
        known && {
          ...known,
          messages: known.messages.flatMap((message) => {
            if (message.messageid !== messageid) return [message];
            return msg === undefined ? [] : [{ ...message, msg: query.excerpt(msg) }];
          }),
        }
      );
    return () => talk.deeds.changed = () => {};
  }, [query]);

  // Of a group that the user was put out of meanwhile there is nothing to be seen any more.
  const messages = found?.messages.filter(({ groupid }) => groupid === undefined || state.groups.has(groupid));

  const show = (message: ChatMessage) => {
    const key = keyOf(message, me.id);
    store.change(key, isGroup(key) ? nameOf(key) : talk.names.of(numberOf(key)), (c) => c);
    route.open(key);
    void talk.pages.to(key, message.messageid);
  };

  return (
    <>
      <li class="found-head">
        <h2>{t.foundMessages}</h2>
        {offered !== undefined && (
          // Not an item of the list, which arrows go through.
          <span>
            <button
              type="button"
              class="link"
              aria-pressed={place !== undefined}
              onClick={() => store.update({ within: place === undefined ? open : undefined })}
            >
              {t.onlyIn(nameOf(offered))}
            </button>
          </span>
        )}
      </li>
      {messages?.map((message) => (
        <Item
          key={message.messageid}
          message={message}
          query={query}
          name={nameOf(keyOf(message, me.id))}
          mine={message.id === me.id}
          show={show}
          me={me.id}
        />
      ))}
      <li class="found-note" role="status">
        {error || (!isOnline ? t.notConnected : messages === undefined ? (query.empty ? "" : t.searching) : messages.length === 0 && t.noMessages)}
        {found?.more && (
          <span>
            <button type="button" class="link" disabled={asking} onClick={() => void ask(found.messages.at(-1)?.messageid)}>
              {t.moreMessages}
            </button>
          </span>
        )}
      </li>
    </>
  );
}

interface ItemProps {
  message: ChatMessage;
  query: Query;
  name: string;
  mine: boolean;
  me: number;
  show: (message: ChatMessage) => void;
}

function Item({ message, query, name, mine, me, show }: ItemProps): JSX.Element {
  const key = keyOf(message, me);
  const from = mine ? `${t.you}: ` : isGroup(key) ? `${message.name}: ` : "";
  return (
    <li>
      <button type="button" class="item found" onClick={() => show(message)}>
        <Avatar id={numberOf(key)} name={name} group={isGroup(key)} />
        <span class="item-text">
          <span class="item-top">
            <bdi class="item-name">{name}</bdi>
            <time dateTime={new Date(message.ts).toISOString()} title={fullTime(message.ts)}>{shortTime(message.ts)}</time>
          </span>
          <span class="found-text" dir="auto">{from}{marked(message.msg, query)}</span>
        </span>
      </button>
    </li>
  );
}

/** The text with what was found in it. */
function marked(text: string, query: Query): ComponentChild[] {
  const parts: ComponentChild[] = [];
  let end = 0;
  for (const [from, to] of query.marks(text)) {
    parts.push(text.slice(end, from), <mark key={from}>{text.slice(from, to)}</mark>);
    end = to;
  }
  return [...parts, text.slice(end)];
}
