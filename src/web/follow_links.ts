/** Links to groups (`#join=CODE`), when the page is opened by one, and when one is put into its address: whoever is logged in is asked, others are after that. */
import { takeGroupCode } from "./door.ts";
import type { Store } from "./state/store.ts";

/** Before `Route`, which knows nothing of such addresses. */
export function followLinks(store: Store): void {
  let waiting = takeGroupCode();
  if (waiting !== undefined) store.update({ linked: true });
  const look = () => {
    const { screen, connection, dialog } = store.state;
    if (waiting === undefined || screen !== "chat" || connection.state !== "online" || dialog) return;
    const code = waiting;
    waiting = undefined;
    store.update({ code, dialog: "join", linked: false });
  };
  store.subscribe(look);
  addEventListener("popstate", () => {
    waiting = takeGroupCode() ?? waiting;
    // When all have heard of the address; whoever is logged in is asked then.
    setTimeout(() => store.update({ linked: waiting !== undefined }));
  });
}
