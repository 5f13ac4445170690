/** Oneself: language, appearance, notifications, devices, password, leaving. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Device } from "../../client/natter_client.ts";
import { inviteLink } from "../door.ts";
import { ago } from "../format.ts";
import { chooseLanguage, language, t } from "../i18n.ts";
import type { State } from "../state/store.ts";
import { chooseTheme, type Theme, theme } from "../theme.ts";
import { Avatar } from "./avatar.tsx";
import { useParts } from "./context.ts";
import { ExportData } from "./export_data.tsx";
import { Choice, Dialog } from "./dialog.tsx";
import { isShort, LANGUAGES, Password } from "./login.tsx";
import { PictureSettings } from "./picture_settings.tsx";
import { ProfileSettings } from "./profile_settings.tsx";
import { PushSettings } from "./push_settings.tsx";
import { useRequest } from "./use_request.ts";

export function SettingsDialog({ state: { me, devices } }: { state: State }): JSX.Element {
  const { store, account, redraw, notify, webPush } = useParts();
  const [, again] = useState(0);
  const themes: [Theme, string][] = [["system", t.themes.system], ["light", t.themes.light], ["dark", t.themes.dark]];
  return (
    <Dialog title={t.settings}>
      <div class="head">
        <Avatar id={me.id} name={me.name} size="large" />
        <p class="head-name">
          <bdi>{me.name}</bdi>
        </p>
        <p class="fine">{t.profile(me.id)}</p>
      </div>
      {account.client.session?.features.includes("files") && <PictureSettings id={me.id} />}
      <ProfileSettings id={me.id} />
      <h3>{t.language}</h3>
      <Choice
        label={t.language}
        value={language}
        options={LANGUAGES}
        choose={(chosen) => {
          chooseLanguage(chosen);
          redraw();
        }}
      />
      <h3>{t.appearance}</h3>
      <Choice
        label={t.appearance}
        value={theme()}
        options={themes}
        choose={(chosen) => {
          chooseTheme(chosen);
          again((n) => n + 1);
        }}
      />
      <h3>{t.notifications}</h3>
      {notify.state === "denied" ? <p class="fine">{t.notificationsDenied}</p> : (
        <Choice
          label={t.notifications}
          value={notify.state}
          options={[["off", t.notificationsOff], ["on", t.notificationsOn]]}
          choose={async (chosen) => {
            if (chosen === "on") await notify.turnOn();
            else notify.turnOff();
            again((n) => n + 1);
          }}
        />
      )}
      {notify.state !== "denied" && webPush.possible && <PushSettings />}
      <h3>{t.sound}</h3>
      <Choice
        label={t.sound}
        value={notify.sound.on ? "on" : "off"}
        options={[["off", t.notificationsOff], ["on", t.notificationsOn]]}
        choose={(chosen) => {
          notify.sound.on = chosen === "on";
          notify.sound.ring();
          again((n) => n + 1);
        }}
      />
      <p class="fine">{t.soundHint}</p>
      {account.client.session?.features.includes("invites") && <Invite />}
      <Devices devices={devices} />
      <ChangePassword name={me.name} />
      <ExportData />
      <DeleteAccount name={me.name} />
      <footer>
        <button type="button" class="quiet danger" onClick={() => store.update({ dialog: "logout" })}>{t.logOut}</button>
      </footer>
    </Dialog>
  );
}

function Invite(): JSX.Element {
  const { account } = useParts();
  const { busy, error, run } = useRequest();
  const [link, setLink] = useState("");
  return (
    <>
      <h3>{t.inviteTitle}</h3>
      {error && <p class="error" role="alert">{error}</p>}
      {link !== "" && <input readOnly aria-label={t.inviteTitle} value={link} onFocus={(event) => event.currentTarget.select()} />}
      <p class="fine">{t.inviteText}</p>
      <button type="button" class="quiet" disabled={busy} onClick={() => void run(async () => setLink(inviteLink(await account.client.invite())))}>
        {t.invite}
      </button>
    </>
  );
}

function Devices({ devices }: { devices: readonly Device[] | undefined }): JSX.Element {
  const { people, store } = useParts();
  const { busy, error, run } = useRequest();
  useEffect(() => {
    void run(() => people.loadDevices());
    return () => store.update({ devices: undefined });
  }, []);
  // Device 0 is everybody's; it is worth a line only if somebody has used it.
  const used = devices?.filter(({ since }) => since !== null) ?? [];
  const mine = used.filter((device) => device.this), others = used.filter((device) => !device.this).sort((a, b) => whenUsed(b) - whenUsed(a));
  return (
    <>
      <h3>{t.devices}</h3>
      {error && <p class="error" role="alert">{error}</p>}
      {!devices && !error && <p class="fine">{t.loading}</p>}
      <ul class="devices">
        {[...mine, ...others].map((device) => (
          <li key={device.id}>
            <span class="device">
              <bdi>{device.name || t.unnamedDevice}</bdi>
              <span class="fine">
                {[device.this ? t.thisDevice : device.state === "online" ? t.online : t.lastUsed(ago(whenUsed(device))), device.address ?? ""]
                  .filter((text) => text !== "").join(", ")}
              </span>
            </span>
            {!device.this && (
              <button
                type="button"
                class="quiet danger"
                disabled={busy}
                onClick={() => void run(() => people.removeDevice(device.id))}
              >
                {t.signOut} <span class="hidden">{device.name || t.unnamedDevice}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

/** When it was used last (ms): now, if it is connected. */
function whenUsed({ state, since, lastseen }: Device): number {
  return state === "online" ? Date.now() : Math.max(since ?? 0, lastseen ?? 0);
}

function ChangePassword({ name }: { name: string }): JSX.Element {
  const { people } = useParts();
  const { busy, error, run } = useRequest();
  const [open, setOpen] = useState(false);
  const [done, setDone] = useState(false);
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const form = useRef<HTMLFormElement>(null), button = useRef<HTMLButtonElement>(null);
  // The focus goes with the user: into the form, and back.
  useLayoutEffect(() => {
    if (open) form.current!.querySelectorAll("input")[1].focus();
    else if (done) button.current!.focus();
  }, [open]);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!await run(() => people.changePassword(old, fresh), { 1: t.wrongPassword })) return;
    setDone(true);
    setOpen(false);
    setOld("");
    setFresh("");
  };
  return (
    <>
      <h3>{t.password}</h3>
      {done && <p class="note" role="status">{t.passwordChanged}</p>}
      {open
        ? (
          <form ref={form} onSubmit={submit}>
            <input class="hidden" name="username" autocomplete="username" value={name} readOnly tabIndex={-1} aria-hidden="true" />
            <Password label={t.oldPassword} autocomplete="current-password" value={old} change={setOld} />
            <Password label={t.newPassword} autocomplete="new-password" value={fresh} change={setFresh} />
            <p class={isShort(fresh) && fresh !== "" ? "error" : "fine"}>{t.passwordHint}</p>
            {error && <p class="error" role="alert">{error}</p>}
            <button type="submit" class="quiet" disabled={busy || old === "" || isShort(fresh)}>{t.changePassword}</button>
          </form>
        )
        : <button ref={button} type="button" class="quiet" onClick={() => setOpen(true)}>{t.changePassword}</button>}
    </>
  );
}

function DeleteAccount({ name }: { name: string }): JSX.Element {
  const { account } = useParts();
  const { busy, error, run } = useRequest();
  const [open, setOpen] = useState(false);
  const [password, setPassword] = useState("");
  const [messages, setMessages] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useLayoutEffect(() => {
    if (open) form.current!.querySelectorAll("input")[1].focus();
  }, [open]);
  const submit = (event: Event) => {
    event.preventDefault();
    void run(() => account.deleteAccount(password, messages), { 1: t.wrongPassword });
  };
  return (
    <>
      <h3>{t.deleteAccount}</h3>
      {open
        ? (
          <form ref={form} onSubmit={submit}>
            <input class="hidden" name="username" autocomplete="username" value={name} readOnly tabIndex={-1} aria-hidden="true" />
            <p>{t.deleteAccountText}</p>
            <Password label={t.password} autocomplete="current-password" value={password} change={setPassword} />
            <label class="tick">
              <input type="checkbox" checked={messages} onChange={(event) => setMessages(event.currentTarget.checked)} />
              <span>{t.deleteMessages}</span>
            </label>
            {error && <p class="error" role="alert">{error}</p>}
            <button type="submit" class="quiet danger" disabled={busy || password === ""}>{t.deleteForGood}</button>
          </form>
        )
        : <button type="button" class="quiet danger" onClick={() => setOpen(true)}>{t.deleteAccount}</button>}
    </>
  );
}

export function LogOutDialog({ state }: { state: State }): JSX.Element {
  const { account, store } = useParts();
  const unsent = [...state.conversations.values()].reduce((sum, { own }) => sum + own.length, 0);
  return (
    <Dialog title={t.logOutTitle}>
      {unsent > 0 && <p class="error">{t.logOutPending(unsent)}</p>}
      <p>{t.logOutText}</p>
      <footer>
        <button type="button" class="quiet" onClick={() => store.update({ dialog: undefined })}>{t.cancel}</button>
        <button type="button" class="primary" onClick={() => void account.logOut()}>{t.logOut}</button>
      </footer>
    </Dialog>
  );
}
