/** The parts of the page, within reach of every component. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Notify } from "../notify.ts";
import type { Route } from "../route.ts";
import type { WebPush } from "../web_push.ts";
import type { Groups } from "../state/groups.ts";
import type { People } from "../state/people.ts";
import type { Account } from "../state/account.ts";
import type { Store } from "../state/store.ts";
import type { Talk } from "../state/talk.ts";
import type { Uploads } from "../state/uploads.ts";

/** The screen has room for the list or a conversation, not for both (as chat.css has it). */
export const NARROW = "(max-width: 699px)";

export interface Parts {
  store: Store;
  account: Account;
  talk: Talk;
  people: People;
  groups: Groups;
  uploads: Uploads;
  route: Route;
  notify: Notify;
  webPush: WebPush;
  /** The language has changed: everything is drawn anew. */
  redraw(): void;
}

export const PartsContext = createContext<Parts | undefined>(undefined);

export function useParts(): Parts {
  const parts = useContext(PartsContext);
  if (!parts) throw new Error("There are no parts");
  return parts;
}
