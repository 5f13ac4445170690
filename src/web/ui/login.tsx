/** Logging in, and making an account. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { invitation, registration } from "../door.ts";
import { chooseLanguage, type Language, language, t } from "../i18n.ts";
import { byNameOrNumber } from "../../client/by_name.ts";
import type { State } from "../state/store.ts";
import { useParts } from "./context.ts";
import { Logo } from "./icons.tsx";
import { useRequest } from "./use_request.ts";

/** In characters and in bytes, as the server has it. */
const MAX_NAME = 50, MAX_PASSWORD = 256;
/** A shorter one (bytes of UTF-8) is guessed. */
const MIN_PASSWORD = 8;

export function Login({ state }: { state: State }): JSX.Element {
  const { account } = useParts();
  const { busy, error, run, forget } = useRequest();
  const [fresh, setFresh] = useState(invitation !== "");
  const [door, setDoor] = useState<"open" | "invite" | "closed">();
  const [code, setCode] = useState(invitation);
  const [name, setName] = useState(state.me.name);
  const [password, setPassword] = useState("");
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => void registration().then(setDoor), []);
  useLayoutEffect(() => {
    // On a phone the keyboard would cover what this is.
    if (!matchMedia("(pointer: coarse)").matches) form.current!.querySelectorAll("input")[name === "" ? 0 : 1].focus();
  }, []);

  const submit = (event: Event) => {
    event.preventDefault();
    if (fresh && isShort(password)) return;
    const invite = door === "invite" ? code.trim() : undefined;
    void (fresh ? run(() => account.register(name.trim(), password, invite), { 1: t.nameTaken, 27: t.notInvited }) : logIn());
  };
  const turn = () => {
    setFresh(!fresh);
    forget();
  };
  const logIn = (takeover = false) => run(() => byNameOrNumber(name.trim(), (who) => account.logIn({ ...who, password, takeover })), { 2: t.inUse });

  return (
    <main class="entrance">
      <form ref={form} class="card" onSubmit={submit}>
        <Logo />
        <h1>natter</h1>
        <p class="tagline">{t.tagline}</p>
        {state.notice && <p class="note" role="status">{state.notice === "deleted" ? t.accountDeleted : t.loginEnded}</p>}
        {state.linked && <p class="note" role="status">{t.linkWaits}</p>}
        <label>
          <span>{fresh ? t.name : t.nameOrNumber}</span>
          <input
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            dir="auto"
            required
            maxLength={fresh ? MAX_NAME : undefined}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <Password label={t.password} autocomplete={fresh ? "new-password" : "current-password"} value={password} change={setPassword} />
        {fresh && <p class={isShort(password) && password !== "" ? "error" : "fine"}>{t.passwordHint}</p>}
        {fresh && door === "invite" && (
          <label>
            <span>{t.invitation}</span>
            <input
              name="invitation"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              required
              value={code}
              onInput={(event) => setCode(event.currentTarget.value)}
            />
            <small>{t.invitationHint}</small>
          </label>
        )}
        {error && <p class="error" role="alert">{error}</p>}
        {error === t.inUse && <button type="button" class="quiet wide" disabled={busy} onClick={() => void logIn(true)}>{t.useHere}</button>}
        <button type="submit" class="primary wide" disabled={busy}>{fresh ? t.register : t.logIn}</button>
        {door === "closed" && !fresh ? <p class="switch">{t.noRegistration}</p> : (
          <p class="switch">
            {fresh ? t.haveAccount : t.newHere} <button type="button" class="link" onClick={turn}>{fresh ? t.logIn : t.register}</button>
          </p>
        )}
      </form>
      <LanguageSwitch />
    </main>
  );
}

/** Whether a new password is too short to be worth its name. */
export function isShort(password: string): boolean {
  return new TextEncoder().encode(password).length < MIN_PASSWORD;
}

/** A password, which can be made visible. */
export function Password({ label, autocomplete, value, change }: {
  label: string;
  autocomplete: "current-password" | "new-password";
  value: string;
  change: (value: string) => void;
}): JSX.Element {
  const [visible, setVisible] = useState(false);
  // The types want to know which of the two it is.
  const type = visible ? { type: "text" as const } : { type: "password" as const };
  return (
    <label>
      <span>{label}</span>
      <span class="password">
        <input
          {...type}
          name={autocomplete}
          autocomplete={autocomplete}
          required
          maxLength={MAX_PASSWORD}
          value={value}
          onInput={(event) => change(event.currentTarget.value)}
        />
        <button type="button" class="link" aria-pressed={visible} onClick={() => setVisible(!visible)}>{visible ? t.hide : t.show}</button>
      </span>
    </label>
  );
}

/** Each language under its own name. */
export const LANGUAGES: [Language, string][] = [["en", "English"], ["zh", "中文"]];

function LanguageSwitch(): JSX.Element {
  const { redraw } = useParts();
  return (
    <p class="languages">
      {LANGUAGES.map(([option, name]) => (
        <button
          type="button"
          key={option}
          class="link"
          lang={option}
          aria-pressed={option === language}
          onClick={() => {
            chooseLanguage(option);
            redraw();
          }}
        >
          {name}
        </button>
      ))}
    </p>
  );
}
