/**
 * A login, from its first line to its last: does what is typed.
 *
 * When a conversation cannot be chosen, a text that was meant for it must never go to the one before. A script has none then; a person sees that it is still the
 * one before, and what was typed ahead goes nowhere.
 */
import { within } from "../../async/within.ts";
import type { Waiting } from "../files.ts";
import type { ChatMessage, NatterClient, Target } from "../natter_client.ts";
import { type Command, CommandError, type DeedName, helpLines, parseCommand } from "./commands.ts";
import { saveExport, saveFiles, sendFile } from "./files.ts";
import { deedOf, toggle } from "./deeds.ts";
import { messageAndText } from "./numbers.ts";
import { moderate } from "./moderation.ts";
import { patiently } from "../patiently.ts";
import { Directory } from "./directory.ts";
import { Incoming } from "./incoming.ts";
import { inLists } from "./lists.ts";
import { Outgoing } from "./outgoing.ts";
import type { People } from "./people.ts";
import { type AskPassword, toAccount } from "./account.ts";
import { ReadMarks } from "./read_marks.ts";
import { label, reasonOf, short } from "./text.ts";
import type { View } from "./view.ts";

/** What a command leads to. */
export type Next = "stay" | "logout" | "quit";

/** How files go over HTTP: who asks, and how long one may stand still on its way (ms). */
export type TerminalHttp = Pick<Waiting, "fetch" | "silence">;

/** Most messages that `/history` and `/last` show. */
const MOST_HISTORY = 1000;

/** What a person or a script does with a client that is logged in. */
export class Terminal {
  /** Told when what the prompt says may have changed. */
  onChange: () => void = () => {};
  /** A conversation could not be chosen; without it, none is then. */
  onAstray: (() => void) | undefined;
  /** Told when the session is over without having been asked to end. */
  onOver: () => void = () => {};
  /** What arrives. */
  readonly incoming: Incoming;
  /** What is sent. */
  readonly outgoing: Outgoing;
  readonly #client: NatterClient;
  readonly #directory: Directory;
  readonly #view: View;
  readonly #askPassword: AskPassword;
  readonly #http: TerminalHttp;
  /** Gives up the file that is on its way. */
  #onItsWay: AbortController | undefined;
  readonly #marks: ReadMarks;
  #target: Target | undefined;
  #lastWriter: Target | undefined;

  /** The client is about to log in. */
  constructor(client: NatterClient, view: View, askPassword: AskPassword, http: TerminalHttp = {}) {
    this.#client = client;
    this.#view = view;
    this.#askPassword = askPassword;
    this.#http = http;
    this.#marks = new ReadMarks(client);
    this.#directory = new Directory(client);
    const changed = () => this.onChange();
    this.outgoing = new Outgoing(client, this.people, view, changed);
    this.incoming = new Incoming(client, this.#directory, view, { changed, heard: (message) => this.#heard(message), over: () => this.onOver() });
  }

  /** Whom one can name. */
  get people(): People {
    return this.#directory.people;
  }

  /** The present conversation, fit for a screen; empty if there is none. */
  get conversation(): string {
    return this.#target ? this.people.nameOfTarget(this.#target) : "";
  }

  /** Does what a line says. Faults go to the view; never rejects. */
  async run(line: string): Promise<Next> {
    try {
      const command = parseCommand(line);
      if (command.name === "quit" || command.name === "logout") return command.name;
      await this.#do(command);
    } catch (error) {
      this.#view.fault(reasonOf(error));
    }
    return "stay";
  }

  /** Gives up a file that is on its way. @returns whether there was one */
  giveUp(): boolean {
    this.#onItsWay?.abort(new CommandError("given up"));
    return this.#onItsWay !== undefined;
  }

  /** Tells the person something. */
  note(text: string): void {
    this.#view.note(text);
  }

  /** Ends the session: on the server, if it can be told within `patience` ms. What is not stored by then is told. */
  async end(patience = 3000): Promise<void> {
    const client = this.#client, { session } = client;
    let told = client.state.state === "closed";
    this.onOver = () => {};
    if (client.state.state === "online") await within(this.#marks.flush(), patience);
    if (client.state.state === "online") await within(this.outgoing.settled(), patience);
    if (client.state.state === "online") await within(client.logout().then(() => told = true, () => {}), patience);
    await client.close();
    await this.outgoing.settled();
    if (!told && session) this.#view.note(`the server was not told: this is logged in until /signout ${session.device.id}`);
  }

  /** Somebody else said something. */
  #heard({ id, groupid, messageid }: ChatMessage): void {
    this.#lastWriter = groupid === undefined ? { id } : { groupid };
    const to = this.#target;
    const isHere = to !== undefined && ("groupid" in to ? to.groupid === groupid : groupid === undefined && "id" in to && to.id === id);
    if (isHere) this.#marks.seen(to, messageid);
  }

  async #do(command: Command): Promise<void> {
    const client = this.#client, { people } = this, view = this.#view;
    if (command.name === "chat") return this.outgoing.send(people.user(command.who), command.text);
    if (command.name === "groupchat") return this.outgoing.send({ groupid: this.#directory.group(command.who).id }, command.text);
    const { rest } = command as { rest: string };
    switch (command.name) {
      case "say":
      case "silent":
        if (rest === "") return;
        if (!this.#target) throw new CommandError("to whom? /to NAME or /group NAME says it");
        return this.outgoing.send(this.#target, rest, command.name === "silent" ? { silent: true } : undefined);
      case "to":
        return await this.#choose(async () => ({ id: await this.#directory.userId(rest) }));
      case "group":
        return await this.#choose(() => ({ groupid: this.#directory.group(rest).id }));
      case "r":
        return await this.#choose(() => {
          if (!this.#lastWriter) throw new CommandError("nobody has written yet");
          return this.#lastWriter;
        });
      case "reply":
      case "edit":
      case "delete":
      case "react":
        return await this.#doTo(command.name, rest);
      case "send": {
        const to = this.#target;
        if (!to) throw new CommandError("to whom? /to NAME or /group NAME says it");
        const { id, name } = await this.#transfer((waiting) => sendFile(client.session, rest.trim(), waiting));
        view.note(`${label(name)} is uploaded`);
        return this.outgoing.send(to, "", { files: [id] }, label(name));
      }
      case "save": {
        const saved = await this.#transfer((waiting) => saveFiles(client, this.#target, rest.trim(), waiting));
        return view.note(`saved: ${saved.map(label).join(", ")}`);
      }
      case "export":
        return view.note(`saved: ${label(await this.#transfer((waiting) => saveExport(client.session, rest.trim(), waiting)))}`);
      case "last":
        return await this.#history(rest, { name: "last", count: 5 });
      case "history":
        return await this.#history(rest, { name: "history", count: 20 });
      case "find": {
        if (rest.trim() === "") throw new CommandError("wanted: /find TEXT");
        const { messages } = await patiently(() => client.search(rest));
        if (messages.length === 0) return view.note("nothing that was said has these words");
        for (const message of messages.reverse()) this.incoming.show(message);
        return;
      }
      case "who": {
        if (rest === "") await this.#marks.flush();
        const rows = await this.#directory.who(rest);
        this.onChange();
        if (rows.length === 0) view.note("no contacts and no groups yet; /add NAME and /join NAME put them here");
        return view.table(rows);
      }
      case "add":
      case "remove":
      case "block":
      case "unblock":
      case "create":
      case "private":
      case "join":
      case "leave": {
        const left = command.name === "leave" ? people.group(rest)?.id : undefined;
        const said = await inLists(client, this.#directory, command.name, rest);
        if (this.#target && "groupid" in this.#target && this.#target.groupid === left) this.#target = undefined;
        await this.#directory.refresh();
        this.onChange();
        return view.note(said);
      }
      case "invite":
      case "kick":
      case "ban":
      case "unban":
      case "role": {
        if (!this.#target || !("groupid" in this.#target)) throw new CommandError("in which group? /group NAME says it");
        const said = await moderate(client, command.name, this.#target.groupid, rest, (typed) => this.#directory.userId(typed));
        if (command.name !== "invite" || rest !== "") return view.note(said);
        view.table([["code", said]]);
        return view.note(`one may join within 7 days, by /join ${said}`);
      }
      case "devices":
      case "signout":
      case "invitation":
      case "password":
      case "about":
      case "receipts":
        return await toAccount(client, view, this.#askPassword, command.name, rest);
      case "unregister":
        this.incoming.ending = true;
        try {
          return await toAccount(client, view, this.#askPassword, command.name, rest);
        } catch (error) {
          this.incoming.ending = false;
          throw error;
        }
      case "report": {
        const { messageid, text } = messageAndText(rest);
        if (messageid === undefined || text === "") throw new CommandError("wanted: /report #N REASON");
        await patiently(() => client.report(messageid, text));
        return view.note(`#${messageid} is reported`);
      }
      case "status": {
        const { session, state } = client;
        return view.table([[`${session?.name} (${session?.id})${session?.device.name ? ` on ${session.device.name}` : ""}`], [state.state], [
          `${this.outgoing.count} waiting to be stored`,
        ]]);
      }
      case "help":
        return view.table(helpLines().map((line) => [line]));
    }
  }

  /** A file goes up or comes down. */
  async #transfer<T>(begin: (waiting: Waiting) => Promise<T>): Promise<T> {
    const { signal } = this.#onItsWay = new AbortController();
    try {
      return await begin({ signal, ...this.#http });
    } finally {
      this.#onItsWay = undefined;
    }
  }

  /** Chooses the present conversation. */
  async #choose(find: () => Target | Promise<Target>): Promise<void> {
    if (!this.onAstray) this.#target = undefined;
    try {
      const to = this.#target = await find();
      this.#marks.seen(to);
    } catch (error) {
      this.onAstray?.();
      throw error;
    } finally {
      this.onChange();
    }
  }

  /** Does something to a message of the present conversation. */
  async #doTo(name: DeedName, rest: string): Promise<void> {
    const client = this.#client, view = this.#view, of = this.#target;
    const deed = await deedOf(client, name, of, rest, () => this.outgoing.stored());
    const { messageid, text } = deed;
    switch (name) {
      case "reply":
        return this.outgoing.send(of!, text, { reply: messageid });
      case "edit":
        await patiently(() => client.edit(messageid, text));
        return view.note(`#${messageid} says now: ${short(text)}`);
      case "delete":
        await patiently(() => client.delete(messageid));
        return view.note(`#${messageid} is deleted`);
      case "react":
        return view.note(await toggle(client, of!, deed) ? `${text} to #${messageid}` : `no ${text} to #${messageid} any more`);
    }
  }

  async #history(rest: string, { name, count }: { name: "history" | "last"; count: number }): Promise<void> {
    const wanted = rest === "" ? count : /^\d+$/.test(rest) ? Math.min(Number(rest), MOST_HISTORY) : NaN;
    if (!(wanted > 0)) throw new CommandError(`wanted: /${name} N`);
    const of = this.#target;
    if (!of) throw new CommandError("of which conversation? /to NAME or /group NAME says it");
    const found = [];
    for (let before: number | undefined, more = true; more && found.length < wanted;) {
      const page = await patiently(() => this.#client.history(of, { before, limit: Math.min(100, wanted - found.length) }));
      found.unshift(...page.messages);
      const first = [page.messages[0], page.events[0]].flatMap((entry) => entry?.messageid ?? []);
      more = page.more && first.length > 0;
      before = Math.min(...first);
    }
    if (found.length === 0) this.#view.note("nothing has been written yet");
    for (const message of found) this.incoming.show(message, undefined, name === "last");
  }
}
