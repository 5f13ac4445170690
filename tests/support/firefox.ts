// A real Firefox, by WebDriver BiDi, which Playwright calls experimental: what its driver lacks is made up for here, or done without.

import { type Browser, firefox, type Locator, type Page } from "playwright-core";

const PREFS = {
  // Fewer processes, each of which costs a third of a second to start, and nothing that Firefox asks its maker for.
  "fission.autostart": false,
  "dom.ipc.processCount": 1,
  "dom.ipc.processPrelaunch.enabled": false,
  "media.rdd-process.enabled": false,
  "app.normandy.enabled": false,
  "messaging-system.rsexperimentloader.enabled": false,
  "services.settings.server": "data:,#remote-settings-dummy/v1",
  "browser.newtab.preload": false,
  // A mouse, which hovers: without a screen there is none.
  "ui.primaryPointerCapabilities": 6,
  "ui.allPointerCapabilities": 6,
  // The clipboard may be read without a click.
  "dom.events.testing.asyncClipboard": true,
};

/** What is in Playwright's objects, as far as it is needed. */
interface Session {
  sessionId: string;
  send(method: string, params: object): Promise<unknown>;
  connection: { _transport: { onmessage(message: Message): void } };
}
interface Impl {
  _browserSession: Session;
  delegate: { _session: Session; rawTouchscreen: { tap(progress: unknown, x: number, y: number): Promise<unknown> } };
}
interface Message {
  type: string;
  id?: number;
  error?: string;
  message?: string;
  method?: string;
  params?: { navigation?: string | null; url?: string };
}

function inside(of: Browser | Page): Impl {
  return (of as unknown as { _connection: { toImpl(of: unknown): Impl } })._connection.toImpl(of);
}

/** @param timeout how long it may take to start (ms) */
export async function launchFirefox(executablePath: string, timeout: number): Promise<Browser> {
  const browser = await firefox.launch({ channel: "moz-firefox", executablePath, firefoxUserPrefs: PREFS, timeout });
  const { _transport: transport } = inside(browser)._browserSession.connection;
  const take = transport.onmessage;
  transport.onmessage = (message) => take(mended(message));
  return browser;
}

function mended(message: Message): Message {
  // What it cannot pretend yet, such as to be dark, and permissions of which it does not know.
  const lacking = /^emulation\.|is not a valid value for enumeration PermissionName/;
  if (message.type === "error" && lacking.test(message.message ?? "")) return { type: "success", id: message.id, result: {} } as Message;
  // What is saved by a link is no navigation; Playwright wants to know it by one.
  if (message.method?.startsWith("browsingContext.download")) message.params!.navigation ??= message.params!.url;
  return message;
}

/** Lets a page be tapped on: Playwright does nothing then. */
export function withTouch(page: Page): void {
  const { delegate } = inside(page);
  delegate.rawTouchscreen.tap = (_, x, y) => press(delegate._session, "touch", x, y, 1);
}

/** Playwright's would be two single clicks. */
export async function doubleClick(what: Locator): Promise<void> {
  const { x, y, width, height } = (await what.boundingBox())!;
  await press(inside(what.page()).delegate._session, "mouse", x + width / 2, y + height / 2, 2);
}

/** So many times at one place, without a pause. */
function press(session: Session, pointerType: "mouse" | "touch", x: number, y: number, times: number): Promise<unknown> {
  const once = [{ type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 }];
  const actions = [{ type: "pointerMove", x: Math.round(x), y: Math.round(y) }, ...Array(times).fill(once).flat()];
  return session.send("input.performActions", {
    context: session.sessionId,
    actions: [{ type: "pointer", id: `natter_${pointerType}`, parameters: { pointerType }, actions }],
  });
}
