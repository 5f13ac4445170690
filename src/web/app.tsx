/** natter's web page: builds its parts, and draws them. */
import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { keepFocus } from "./focus.ts";
import { followLinks } from "./follow_links.ts";
import { initLanguage, t } from "./i18n.ts";
import { install } from "./install.ts";
import { Notify } from "./notify.ts";
import { Route } from "./route.ts";
import { Groups } from "./state/groups.ts";
import { currentLine } from "./state/lines.ts";
import { type Key, type Line, numberOf } from "./state/model.ts";
import { People } from "./state/people.ts";
import { Account } from "./state/account.ts";
import { type State, Store } from "./state/store.ts";
import { Talk } from "./state/talk.ts";
import { Uploads } from "./state/uploads.ts";
import { applyTheme } from "./theme.ts";
import { PictureDialog } from "./ui/attachments.tsx";
import { ConfirmDialog, isQuestion } from "./ui/confirm_dialog.tsx";
import { type Parts, PartsContext, useParts } from "./ui/context.ts";
import { Conversation } from "./ui/conversation.tsx";
import { ConversationList } from "./ui/conversation_list.tsx";
import { DetailsDialog } from "./ui/details_dialog.tsx";
import { EmojiDialog } from "./ui/emoji_dialog.tsx";
import { ForwardDialog } from "./ui/forward_dialog.tsx";
import { GroupSettingsDialog } from "./ui/group_settings.tsx";
import { Logo } from "./ui/icons.tsx";
import { InviteDialog } from "./ui/invite_dialog.tsx";
import { JoinDialog } from "./ui/join_dialog.tsx";
import { Login } from "./ui/login.tsx";
import { NewDialog } from "./ui/new_dialog.tsx";
import { ReportDialog } from "./ui/report_dialog.tsx";
import { LogOutDialog, SettingsDialog } from "./ui/settings_dialog.tsx";
import { WebPush } from "./web_push.ts";

/** How often times that are told as "5 minutes ago" are told anew (ms). */
const TICK = 30_000;

function App({ parts }: { parts: Omit<Parts, "redraw"> }): JSX.Element {
  const [state, setState] = useState(parts.store.state);
  const [drawing, redraw] = useState(0);
  // The same all the time: whoever takes a part from there would be drawn with every change, whatever changed.
  const [all] = useState((): Parts => ({ ...parts, redraw: () => redraw((n) => n + 1) }));
  useEffect(() => {
    parts.store.subscribe(setState);
    setState(parts.store.state);
    const timer = setInterval(() => setState((now) => ({ ...now })), TICK);
    return () => clearInterval(timer);
  }, []);
  return (
    <PartsContext.Provider key={drawing} value={all}>
      {state.screen === "login" && <Login state={state} />}
      {state.screen === "elsewhere" && <Elsewhere />}
      {state.screen === "chat" && <Chat state={state} />}
    </PartsContext.Provider>
  );
}

function Reacting({ conversation, line }: { conversation: Key; line: Line }): JSX.Element {
  const { talk } = useParts();
  return <EmojiDialog title={t.react} chosen={(emoji) => void talk.deeds.react(conversation, line, emoji)} />;
}

function Chat({ state }: { state: State }): JSX.Element {
  const open = state.open && state.conversations.get(state.open);
  const chosen = state.chosen && currentLine(open, state.chosen);
  const members = open && state.members.get(numberOf(open.key));
  return (
    <div class={`chat ${open ? "has-open" : ""}`}>
      <ConversationList state={state} />
      {open ? <Conversation conversation={open} state={state} /> : <Nothing state={state} />}
      {state.dialog === "new" && <NewDialog />}
      {state.dialog === "settings" && <SettingsDialog state={state} />}
      {state.dialog === "logout" && <LogOutDialog key="logout" state={state} />}
      {state.dialog === "details" && open && <DetailsDialog conversation={open} state={state} />}
      {open && isQuestion(state.dialog) && <ConfirmDialog key={state.dialog} question={state.dialog} conversation={open} state={state} />}
      {state.dialog === "invite" && open && <InviteDialog key="invite" conversation={open} />}
      {state.dialog === "group" && open && members && <GroupSettingsDialog key="group" conversation={open} members={members} />}
      {state.dialog === "join" && state.code && <JoinDialog key="join" code={state.code} />}
      {state.dialog === "react" && open && chosen && <Reacting key="react" conversation={open.key} line={chosen} />}
      {state.dialog === "forward" && open && chosen && <ForwardDialog line={chosen} state={state} />}
      {state.dialog === "picture" && state.picture && <PictureDialog file={state.picture} />}
      {state.dialog === "report" && chosen && <ReportDialog line={chosen} />}
      <p class="hidden" aria-live="polite">{state.spoken}</p>
      <div role="alert">{state.trouble !== "" && <p class="trouble">{state.trouble}</p>}</div>
    </div>
  );
}

function Nothing({ state: { conversations, me } }: { state: State }): JSX.Element {
  const first = conversations.size === 0;
  return (
    // Who was put out of a group while typing is here.
    <main class="conversation nothing" tabIndex={-1}>
      <Logo />
      <h1>{first ? t.welcome(me.name) : t.pickTitle}</h1>
      <p>{first ? t.welcomeText : t.pickText}</p>
    </main>
  );
}

function Elsewhere(): JSX.Element {
  const { account } = useParts();
  return (
    <main class="entrance">
      <section class="card">
        <Logo />
        <h1>{t.elsewhereTitle}</h1>
        <p>{t.elsewhereText}</p>
        <button type="button" class="primary wide" onClick={() => void account.useHere()}>{t.useHere}</button>
      </section>
    </main>
  );
}

// A file that misses its aim would take the page's place.
for (const name of ["dragover", "drop"] as const) addEventListener(name, (event) => event.preventDefault());
initLanguage();
applyTheme();
const store = new Store();
const account = new Account(store);
const talk = new Talk(store, account);
const people = new People(store, account, talk.meanwhile);
const groups = new Groups(store, account, people);
followLinks(store);
const uploads = new Uploads(account);
const route = new Route(store, talk);
const notify = new Notify(store, route);
const webPush = new WebPush(store, account, route);
account.listener = talk;
talk.groups = groups;
talk.elsewhere = (what) => void people.changed(what).catch(() => {});
talk.came = (conversation, line, how) => notify.tell(conversation, line, how);
keepFocus(store);
render(<App parts={{ store, account, talk, people, groups, uploads, route, notify, webPush }} />, document.getElementById("app")!);
void account.start();
install();
