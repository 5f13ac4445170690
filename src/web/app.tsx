/** natter's web page: builds its parts, and draws them. */
import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { keepFocus } from "./focus.ts";
import { initLanguage, t } from "./i18n.ts";
import { Notify } from "./notify.ts";
import { Route } from "./route.ts";
import { People } from "./state/people.ts";
import { Session } from "./state/session.ts";
import { type State, Store } from "./state/store.ts";
import { Talk } from "./state/talk.ts";
import { applyTheme } from "./theme.ts";
import { ConfirmDialog } from "./ui/confirm_dialog.tsx";
import { type Parts, PartsContext, useParts } from "./ui/context.ts";
import { Conversation } from "./ui/conversation.tsx";
import { ConversationList } from "./ui/conversation_list.tsx";
import { DetailsDialog } from "./ui/details_dialog.tsx";
import { Logo } from "./ui/icons.tsx";
import { Login } from "./ui/login.tsx";
import { NewDialog } from "./ui/new_dialog.tsx";
import { LogOutDialog, SettingsDialog } from "./ui/settings_dialog.tsx";

/** How often times that are told as "5 minutes ago" are told anew (ms). */
const TICK = 30_000;

function App({ parts }: { parts: Omit<Parts, "redraw"> }): JSX.Element {
  const [state, setState] = useState(parts.store.state);
  const [drawing, redraw] = useState(0);
  useEffect(() => {
    parts.store.subscribe(setState);
    setState(parts.store.state);
    const timer = setInterval(() => setState((now) => ({ ...now })), TICK);
    return () => clearInterval(timer);
  }, []);
  return (
    <PartsContext.Provider key={drawing} value={{ ...parts, redraw: () => redraw((n) => n + 1) }}>
      {state.screen === "login" && <Login state={state} />}
      {state.screen === "elsewhere" && <Elsewhere />}
      {state.screen === "chat" && <Chat state={state} />}
    </PartsContext.Provider>
  );
}

function Chat({ state }: { state: State }): JSX.Element {
  const open = state.open && state.conversations.get(state.open);
  return (
    <div class={`chat ${open ? "has-open" : ""}`}>
      <ConversationList state={state} />
      {open ? <Conversation conversation={open} state={state} /> : <Nothing state={state} />}
      {state.dialog === "new" && <NewDialog />}
      {state.dialog === "settings" && <SettingsDialog state={state} />}
      {state.dialog === "logout" && <LogOutDialog key="logout" state={state} />}
      {state.dialog === "details" && open && <DetailsDialog conversation={open} state={state} />}
      {(state.dialog === "block" || state.dialog === "remove" || state.dialog === "leave") && open && (
        <ConfirmDialog key={state.dialog} question={state.dialog} conversation={open} state={state} />
      )}
      <p class="hidden" aria-live="polite">{state.spoken}</p>
    </div>
  );
}

function Nothing({ state: { conversations, me } }: { state: State }): JSX.Element {
  const first = conversations.size === 0;
  return (
    <main class="conversation nothing">
      <Logo />
      <h1>{first ? t.welcome(me.name) : t.pickTitle}</h1>
      <p>{first ? t.welcomeText : t.pickText}</p>
    </main>
  );
}

function Elsewhere(): JSX.Element {
  const { session } = useParts();
  return (
    <main class="entrance">
      <section class="card">
        <Logo />
        <h1>{t.elsewhereTitle}</h1>
        <p>{t.elsewhereText}</p>
        <button type="button" class="primary wide" onClick={() => void session.useHere()}>{t.useHere}</button>
      </section>
    </main>
  );
}

// A file that misses its aim would take the page's place.
for (const name of ["dragover", "drop"] as const) addEventListener(name, (event) => event.preventDefault());
initLanguage();
applyTheme();
const store = new Store();
const session = new Session(store);
const talk = new Talk(store, session);
const people = new People(store, session);
const route = new Route(store, talk);
const notify = new Notify(store, route);
session.listener = talk;
talk.changed = (what) => void people.changed(what).catch(() => {});
talk.unseen = (conversation, line) => notify.show(conversation, line);
keepFocus(store);
render(<App parts={{ store, session, talk, people, route, notify }} />, document.getElementById("app")!);
void session.start();
