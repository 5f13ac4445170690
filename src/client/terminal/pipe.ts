/**
 * `natter chat` without a terminal: commands from a stream of lines, one line out for each message.
 *
 * Texts are sent without waiting for each other; every other command waits for what was sent before it. At the end of the input everything sent has to be
 * answered, and what waited in the inbox at login to have arrived.
 */
import { within } from "../../async/within.ts";
import { type LoginAck, NatterClient, NatterError } from "../natter_client.ts";
import type { Connect } from "../transport.ts";
import { isText } from "./commands.ts";
import type { Known } from "./interactive.ts";
import { Terminal, type TerminalHttp } from "./terminal.ts";
import { reasonOf } from "./text.ts";
import { type Output, pipeView } from "./view.ts";

/** How many texts may be unanswered before no more lines are read. */
const AHEAD = 100;

/** What a session in a pipe is begun with. */
interface PipeOptions {
  /** How to reach the server. */
  connect: Connect;
  /** Who logs in. */
  who: Known;
  /** What is typed, or comes from a program; undefined: a line that is not UTF-8. */
  lines: AsyncIterator<string | undefined>;
  /** Where answers go. */
  output: Output;
  /** How long what is outstanding may take once the input has ended, as long as nothing moves (ms). */
  patience?: number;
  /** How files go. */
  http?: TerminalHttp | undefined;
}

/** Talks to a program. Resolves with the exit code: 0, or 1 if anything failed. */
export async function pipe({ connect, who, lines, output, patience = 30_000, http }: PipeOptions): Promise<number> {
  const view = pipeView(output);
  const client = new NatterClient({ connect });
  const terminal = new Terminal(client, view, async () => (await lines.next()).value, http);
  let over = false, wake = () => {};
  terminal.onOver = () => {
    over = true;
    wake();
  };
  /** What it resolves to; undefined: the session is over. (A race with one promise that lasts as long as the session would keep what every line came to.) */
  const unlessOver = <T>(what: Promise<T>) =>
    new Promise<T | undefined>((resolve, reject) => {
      wake = () => resolve(undefined);
      if (over) wake();
      what.then(resolve, reject);
    });
  let ack: LoginAck;
  try {
    if (who.register && "name" in who.peer) await client.register(who.peer.name, who.password, who.invite);
    ack = await client.login({ ...who.peer, password: who.password });
  } catch (error) {
    const uninvited = error instanceof NatterError && error.errno === 27 && who.invite === undefined;
    view.fault(uninvited ? `${reasonOf(error)}; where a code lets in, --invite CODE gives it` : reasonOf(error));
    return 1;
  }
  for (let typed = 0;;) {
    const next = await unlessOver(lines.next());
    if (next === undefined || next.done) break;
    const line = next.value;
    if (line === undefined) {
      view.fault("a line of the input is not UTF-8, and is not sent");
      continue;
    }
    // What is asked has to see what was sent before, and needs a connection.
    if (!isText(line) || ++typed % AHEAD === 0) {
      // It waits for as long as it takes, but not without a word.
      const timer = setTimeout(() => output.complain(`${troubleOf(client)}; the rest of the input waits`), patience);
      await unlessOver(settled(client, terminal));
      clearTimeout(timer);
    }
    if (await terminal.run(line) !== "stay") break;
  }
  await unlessOver(finish(client, terminal, ack.inbox.last, patience));
  if (!hasArrived(client, terminal, ack.inbox.last)) view.fault("not all that waited has arrived");
  await terminal.end();
  return view.faults > 0 ? 1 : 0;
}

/** Why what was sent may still be unanswered. */
function troubleOf({ state }: NatterClient): string {
  return state.state === "offline" ? reasonOf(state.error) : state.state === "online" ? "the server does not answer" : "not connected yet";
}

/** Resolves when everything sent has been answered, and the connection stands. */
async function settled(client: NatterClient, terminal: Terminal): Promise<void> {
  await terminal.outgoing.settled();
  await new Promise<void>((resolve) => {
    if (client.state.state === "online") return resolve();
    const off = client.on("state", ({ state }) => {
      if (state !== "online") return;
      off();
      resolve();
    });
  });
}

/** Whether everything up to this number came here, or went to another client of the same user. */
function hasArrived(client: NatterClient, terminal: Terminal, last: number): boolean {
  return Math.max(terminal.incoming.lastSeq, client.session?.inbox.confirmed ?? 0) >= last;
}

/** Resolves when nothing is outstanding, or nothing has moved for `patience` ms. */
async function finish(client: NatterClient, terminal: Terminal, last: number, patience: number): Promise<void> {
  const moves = () => JSON.stringify([client.pending().length, terminal.incoming.lastSeq]);
  const arrived = new Promise<void>((resolve) => {
    const look = () => hasArrived(client, terminal, last) && resolve();
    look();
    terminal.incoming.onArrived = look;
    client.on("login", look);
  });
  let done = false;
  const all = Promise.all([terminal.outgoing.settled(), arrived]).then(() => done = true);
  for (let before = ""; !done && before !== moves();) {
    before = moves();
    await within(all, patience);
  }
}
