/** The parts of the page, within reach of every component. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Notify } from "../notify.ts";
import type { Route } from "../route.ts";
import type { People } from "../state/people.ts";
import type { Session } from "../state/session.ts";
import type { Store } from "../state/store.ts";
import type { Talk } from "../state/talk.ts";

export interface Parts {
  store: Store;
  session: Session;
  talk: Talk;
  people: People;
  route: Route;
  notify: Notify;
  /** The language has changed: everything is drawn anew. */
  redraw(): void;
}

export const PartsContext = createContext<Parts | undefined>(undefined);

export function useParts(): Parts {
  const parts = useContext(PartsContext);
  if (!parts) throw new Error("There are no parts");
  return parts;
}
