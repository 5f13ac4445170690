/** `natter chat` at a terminal: asks who it is, then talks, until it is told to end. */
import { byNameOrNumber } from "../by_name.ts";
import { NatterClient, NatterError, type Peer } from "../natter_client.ts";
import type { Connect } from "../transport.ts";
import { complete } from "./commands.ts";
import { Screen } from "./screen.ts";
import { Terminal, type TerminalHttp } from "./terminal.ts";
import { harmless, type Paint, painter, reasonOf } from "./text.ts";
import { screenView, type View } from "./view.ts";

/** Who is to be logged in, as far as the command line says. */
export interface Who {
  /** A number or a name. */
  peer?: { id: number } | { name: string };
  /** Without it, it is asked for. */
  password?: string;
  /** Make the account first. */
  register: boolean;
  /** The code of an invitation, for servers that want one. */
  invite?: string;
}

/** What a session at a terminal is begun with. */
interface InteractiveOptions {
  /** How to reach the server. */
  connect: Connect;
  /** The server, as it was named. */
  server: string;
  /** Who logs in, as far as that is known. */
  who: Who;
  /** Whether the terminal shows colours. */
  colours: boolean;
  /** How files go. */
  http?: TerminalHttp | undefined;
}

/** Talks to a person. Resolves with the exit code: 1 if a message may not be stored. */
export async function interactive({ connect, server, who, colours, http }: InteractiveOptions): Promise<number> {
  const paint = painter(colours);
  const screen = new Screen();
  // Killed politely, it gives the terminal back as it was.
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => {
      screen.onInterrupt();
      screen.close();
    });
  }
  let unstored = 0;
  screen.onBroken = () => view.fault("what was typed is not UTF-8, and goes nowhere");
  const view = screenView((text) => screen.print(text), () => screen.columns, paint);
  try {
    view.note(`natter at ${server}; /help lists the commands`);
    for (;;) {
      const client = new NatterClient({ connect });
      const terminal = new Terminal(client, view, (question) => screen.ask(question, { hidden: true }), http);
      if (!await logIn(client, screen, view, who)) return unstored > 0 ? 1 : 0;
      who = { register: false };
      const next = await talk(client, terminal, screen, paint);
      await terminal.end();
      unstored += terminal.outgoing.unstored;
      if (next === "quit") return unstored > 0 ? 1 : 0;
      screen.setPrompt("> ");
      view.note("logged out");
    }
  } finally {
    screen.close();
  }
}

/** Asks until somebody is logged in. False: they gave up. */
async function logIn(client: NatterClient, screen: Screen, view: View, who: Who): Promise<boolean> {
  for (let asked = who;;) {
    const answered = await askWho(screen, asked);
    if (answered === undefined) return false;
    asked = { register: false };
    const { peer, typed, password, register, invite } = answered;
    if (register && "name" in peer) {
      try {
        const id = await makeAccount(client, screen, view, { name: peer.name, password, invite });
        view.note(`your number is ${id}`);
      } catch (error) {
        view.fault(error instanceof NatterError && error.errno === 1 ? "this name is taken, or looks like another's" : reasonOf(error));
        continue;
      }
    }
    // Told before the messages that come with it.
    const off = client.on("login", ({ id, name, inbox }) => {
      const waiting = inbox.last - inbox.confirmed;
      view.note(`logged in as ${name} (${id})${waiting > 0 ? `; what came meanwhile: ${waiting}` : ""}`);
    });
    try {
      const enter = (peer: Peer) => client.login({ ...peer, password, device: deviceName() });
      await (typed === undefined ? enter(peer) : byNameOrNumber(typed, enter));
      return true;
    } catch (error) {
      view.fault(reasonOf(error));
      // Whom the command line names is asked for the password alone: it is what one types next, and the other questions would show it.
      if (who.peer && error instanceof NatterError && error.errno === 1) asked = { peer: who.peer, register: false };
    } finally {
      off();
    }
  }
}

/** Makes the account, and asks for an invitation if one is wanted. @returns its number */
async function makeAccount(
  client: NatterClient,
  screen: Screen,
  view: View,
  { name, password, invite }: { name: string; password: string; invite: string | undefined },
): Promise<number> {
  try {
    return (await client.register(name, password, invite)).id;
  } catch (error) {
    if (!(error instanceof NatterError) || error.errno !== 27 || invite !== undefined) throw error;
    // That nobody comes in has the same number.
    view.note(reasonOf(error));
    const code = (await screen.ask("Invitation (or Enter): "))?.trim();
    if (!code) throw error;
    return (await client.register(name, password, code)).id;
  }
}

/** This machine, as other devices of the user see it: at most 50 characters, as the server has it. */
function deviceName(): string {
  return harmless(Deno.hostname()).trim().slice(0, 50) || "terminal";
}

/** Who it is. */
export type Known = Required<Pick<Who, "peer" | "password" | "register">> & Pick<Who, "invite">;

/** Asks for what is not known; `typed`: who it is, if that was asked for and may be a name or a number. Undefined: they gave up. */
async function askWho(screen: Screen, who: Who): Promise<Known & { typed?: string | undefined } | undefined> {
  let { peer, password, register } = who, typed: string | undefined;
  if (!peer) {
    while (!register) {
      const answer = await screen.ask("1 log in, 2 register, 3 quit: ");
      if (answer === undefined || /^\s*(3|q|quit)\s*$/i.test(answer)) return undefined;
      if (!/^\s*[12]\s*$/.test(answer)) continue;
      register = answer.trim() === "2";
      if (!register) break;
    }
    const answer = (await screen.ask(register ? "Name: " : "Name or number: "))?.trim();
    if (!answer) return undefined;
    peer = { name: answer };
    if (!register) typed = answer;
  }
  password ??= await screen.ask("Password: ", { hidden: true });
  return password === undefined ? undefined : { ...who, peer, typed, password, register };
}

/** Does what is typed, until it is `/quit`, `/logout`, or the server ended it. */
async function talk(client: NatterClient, terminal: Terminal, screen: Screen, paint: Paint): Promise<"logout" | "quit"> {
  let over = false;
  terminal.onOver = () => {
    over = true;
    screen.cancel();
  };
  screen.onInterrupt = () => terminal.giveUp();
  terminal.onAstray = () => {
    const lines = screen.forget();
    if (lines > 0) terminal.note(`not sent, for it was typed before that: ${lines} ${lines === 1 ? "line" : "lines"}`);
  };
  terminal.onChange = () => screen.setPrompt(promptOf(client, terminal, paint));
  terminal.onChange();
  screen.complete = (line) => complete(line, terminal.people.names());
  while (!over) {
    const line = await screen.next();
    if (line === undefined) break;
    if (line === "") client.reconnectNow();
    const next = await terminal.run(line);
    if (next !== "stay") return next;
  }
  return screen.ended ? "quit" : "logout";
}

/** `(offline, 2 waiting) bob> `: what is out of order, then where a text goes. */
function promptOf({ state }: NatterClient, { outgoing, conversation }: Terminal, paint: Paint): string {
  const waiting = outgoing.late > 0 ? `${outgoing.late} waiting` : "";
  const troubles = [state.state === "online" ? "" : state.state, waiting].filter((text) => text !== "").join(", ");
  return `${troubles && paint("33", `(${troubles})`) + " "}${paint("1", harmless(conversation))}> `;
}
