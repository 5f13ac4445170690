/**
 * A login, from its first line to its last: does what is typed, and shows what arrives.
 *
 * Rules:
 *
 * 1. A message is shown before it is confirmed: the client confirms when the listener has returned.
 * 2. What was sent and not stored is told, with its text, whatever ended it.
 * 3. When a conversation cannot be chosen, a text that was meant for it must never go to the one before. A script has none then; a person sees that it is still
 *    the one before, and what was typed ahead goes nowhere.
 */
import { within } from "../../async/within.ts";
import type { Waiting } from "../files.ts";
import { isMentioned } from "../../search/mentions.ts";
import {
  type ChatMessage,
  type ConnectionState,
  type IncomingMessage,
  type LoginAck,
  type NatterClient,
  NatterError,
  type SendOptions,
  type Target,
} from "../natter_client.ts";
import { type Command, CommandError, type DeedName, helpLines, parseCommand } from "./commands.ts";
import { saveExport, saveFiles, sendFile } from "./files.ts";
import { deedOf, toggle } from "./deeds.ts";
import { messageAndText } from "./numbers.ts";
import { invitedInWords, inWords, moderate } from "./moderation.ts";
import { patiently } from "../patiently.ts";
import { Directory } from "./directory.ts";
import { inLists } from "./lists.ts";
import type { People } from "./people.ts";
import { type AskPassword, toAccount } from "./account.ts";
import { ReadMarks } from "./read_marks.ts";
import { harmless, label, reasonOf } from "./text.ts";
import type { View } from "./view.ts";

/** What a command leads to. */
export type Next = "stay" | "logout" | "quit";

/** How files go over HTTP: who asks, and how long one may stand still on its way (ms). */
export type TerminalHttp = Pick<Waiting, "fetch" | "silence">;

/** How long a message may be unanswered before it is mentioned (ms). */
const LATE = 1500;
/** Most messages that `/history` and `/last` show. */
const MOST_HISTORY = 1000;

/** What a person or a script does with a client that is logged in. */
export class Terminal {
  /** Told when what the prompt says may have changed. */
  onChange: () => void = () => {};
  /** A conversation could not be chosen (rule 3); without it, none is then. */
  onAstray: (() => void) | undefined;
  /** Told when the session is over without having been asked to end. */
  onOver: () => void = () => {};
  /** Told when `lastSeq` is another. */
  onArrived: () => void = () => {};
  /** How many messages have been unanswered for so long that it is worth a word. */
  waiting = 0;
  /** How many messages were given up without an answer. */
  unstored = 0;
  /** The number of the last entry of the log that arrived. */
  lastSeq = 0;
  readonly #client: NatterClient;
  readonly #directory: Directory;
  readonly #view: View;
  readonly #askPassword: AskPassword;
  readonly #http: TerminalHttp;
  /** Gives up the file that is on its way. */
  #onItsWay: AbortController | undefined;
  readonly #sends = new Set<Promise<void>>();
  readonly #marks: ReadMarks;
  #target: Target | undefined;
  #lastWriter: Target | undefined;
  #wasOffline = false;
  /** There was a login: until then, how it ends is told by whoever tried. */
  #loggedIn = false;
  /** Up to where the log has nothing but invitations that a login has told of; undefined: there was none yet. */
  #invitedUpTo: number | undefined;

  /** The client is about to log in. */
  constructor(client: NatterClient, view: View, askPassword: AskPassword, http: TerminalHttp = {}) {
    this.#client = client;
    this.#view = view;
    this.#askPassword = askPassword;
    this.#http = http;
    this.#marks = new ReadMarks(client);
    this.#directory = new Directory(client);
    client.on("login", (ack) => {
      this.#loggedIn = true;
      this.people.met(ack.id, ack.name);
      this.people.refresh(ack);
      // Who comes back is told by the log.
      if (this.#invitedUpTo === undefined) this.#tellInvited(ack);
    });
    client.on("message", (message) => this.#arrived(message));
    client.on("edit", (edit) => {
      this.#came(edit.seq);
      if (!edit.deleted) this.#tell(edit, `changed #${edit.messageid}: ${edit.msg}`);
    });
    client.on("delete", (deed) => {
      this.#came(deed.seq);
      this.#tell(deed, `deleted #${deed.messageid}`);
    });
    client.on("react", (reaction) => {
      this.#came(reaction.seq);
      if (reaction.emoji !== undefined && !reaction.off) this.#tell(reaction, `${reaction.emoji} to #${reaction.messageid}`);
    });
    client.on("group", (event) => {
      this.#came(event.seq);
      this.people.met(event.id, event.name);
      // The login has told of it; or it is withdrawn, or taken, since.
      if (event.what === "invited" && event.id === client.session?.id && event.seq <= this.#invitedUpTo!) return;
      view.note(inWords(event, client.session?.id));
    });
    // A newer server's: whoever waits for all that there is does not wait for this one.
    client.on("unknown", ({ seq }) => this.#came(seq));
    client.on("anew", () => {
      view.note("not all that was written meanwhile is shown here; /history has it");
      this.#tellInvited(client.session!);
    });
    client.on("changed", () => void this.#directory.refresh().then(() => this.onChange(), () => {}));
    client.on("presence", ({ id, state }) => {
      const friend = this.people.friends.find((friend) => friend.id === id);
      if (friend) friend.state = state;
      view.note(`${this.people.nameOf(id)} is ${state}`);
    });
    client.on("state", (state) => this.#moved(state));
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

  /** Resolves when everything sent so far has been answered, or told to be lost. */
  async settled(): Promise<void> {
    await Promise.all(this.#sends);
  }

  /** Ends the session: on the server, if it can be told within `patience` ms. What is not stored by then is told. */
  async end(patience = 3000): Promise<void> {
    const client = this.#client, { session } = client;
    let told = client.state.state === "closed";
    this.onOver = () => {};
    if (client.state.state === "online") await within(this.#marks.flush(), patience);
    if (client.state.state === "online") await within(this.settled(), patience);
    if (client.state.state === "online") await within(client.logout().then(() => told = true, () => {}), patience);
    await client.close();
    await this.settled();
    if (!told && session) this.#view.note(`the server was not told: this is logged in until /signout ${session.device.id}`);
  }

  #arrived(message: IncomingMessage): void | Promise<void> {
    const { id, name, toid } = message;
    this.people.met(id, name);
    // Written elsewhere, to somebody whom nobody here knows yet.
    if (toid !== undefined && !this.people.knows(toid)) return this.#directory.find({ id: toid }).catch(() => {}).then(() => this.#take(message));
    this.#take(message);
  }

  #take(message: IncomingMessage): void {
    const { id, toid, groupid } = message;
    const mine = id === this.#client.session?.id;
    this.#came(message.seq);
    // What was typed here stands here.
    if (this.#client.sentHere(message) && toid !== id) return;
    if (!mine) this.#lastWriter = groupid === undefined ? { id } : { groupid };
    this.#show(message, mine && toid !== undefined && toid !== id ? toid : undefined);
    if (!mine && this.#isHere(message)) this.#marks.seen(this.#target!, message.messageid);
  }

  /** The invitations that wait. */
  #tellInvited({ invited, inbox }: LoginAck): void {
    this.#invitedUpTo = inbox.last;
    for (const { groupid, groupname, byname } of invited) this.#view.note(invitedInWords(groupid, groupname, byname));
  }

  /** An entry of the log, whatever it is. */
  #came(seq: number): void {
    this.lastSeq = seq;
    this.onArrived();
  }

  /** Whether it belongs to the present conversation. */
  #isHere({ id, groupid }: ChatMessage): boolean {
    const to = this.#target;
    return to !== undefined && ("groupid" in to ? to.groupid === groupid : groupid === undefined && "id" in to && to.id === id);
  }

  /** Somebody else did something. */
  #tell({ id, groupid }: { id: number; groupid?: number }, what: string): void {
    if (id === this.#client.session?.id) return;
    this.#view.note(`${groupid === undefined ? "" : `[${this.people.groupName(groupid)}] `}${this.people.nameOf(id)} ${short(what)}`);
  }

  /** `to`: whom one wrote to oneself, elsewhere. */
  #show(message: ChatMessage, to?: number, numbered?: boolean): void {
    const { groupid } = message;
    const group = groupid === undefined ? undefined : this.people.groups.find(({ id }) => id === groupid)?.groupname ?? `group ${groupid}`;
    const number = numbered ? message.messageid : undefined;
    const me = this.#client.session;
    const files = message.files?.map((file) => ({ ...file, url: (this.#client.session?.url ?? "") + file.url }));
    const speaks = group !== undefined && message.id !== me?.id && isMentioned(me?.name ?? "", message.msg);
    this.#view.message({ ...message, files, group, to: to === undefined ? undefined : this.people.rawNameOf(to), number, speaks });
  }

  #moved(state: ConnectionState): void {
    if (state.state === "offline" && !this.#wasOffline) {
      this.#wasOffline = true;
      this.#view.note(`${reasonOf(state.error)}; trying to come back`);
    } else if (state.state === "online" && this.#wasOffline) {
      this.#wasOffline = false;
      this.#view.note("connected again");
    } else if (state.state === "closed" && "error" in state && this.#loggedIn) {
      this.#view.fault(reasonOf(state.error));
      this.onOver();
    }
    this.onChange();
  }

  /** `shown`: what it is called where it is told of. */
  #send(to: Target, text: string, options?: SendOptions, shown = text): void {
    const what = `to ${this.people.nameOfTarget(to)}: ${harmless(shown)}`;
    let late = false;
    const waits = () => {
      late = true;
      this.waiting++;
      this.onChange();
    };
    const timer = setTimeout(() => late || waits(), LATE);
    if (this.#client.state.state !== "online") {
      this.#view.note("not connected: this is sent when the connection is back");
      waits();
    }
    const done = this.#client.chat(to, text, options).then(
      () => late && this.#view.note(`stored ${short(what)}`),
      (error) => {
        const refused = error instanceof NatterError;
        if (!refused) this.unstored++;
        // What was refused is still in the history of lines; what was given up may be nowhere else.
        this.#view.fault(refused ? `not sent ${short(what)} (${reasonOf(error)})` : `not known to be stored ${what} (${reasonOf(error)})`);
      },
    ).then(() => {
      clearTimeout(timer);
      this.#sends.delete(done);
      if (!late) return;
      this.waiting--;
      this.onChange();
    });
    this.#sends.add(done);
  }

  async #do(command: Command): Promise<void> {
    const client = this.#client, { people } = this, view = this.#view;
    if (command.name === "chat") return this.#send(people.user(command.who), command.text);
    if (command.name === "groupchat") return this.#send({ groupid: this.#directory.group(command.who).id }, command.text);
    const { rest } = command as { rest: string };
    switch (command.name) {
      case "say":
      case "silent":
        if (rest === "") return;
        if (!this.#target) throw new CommandError("to whom? /to NAME or /group NAME says it");
        return this.#send(this.#target, rest, command.name === "silent" ? { silent: true } : undefined);
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
        return this.#send(to, "", { files: [id] }, label(name));
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
        for (const message of messages.reverse()) this.#show(message);
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
      case "unregister":
        return await toAccount(client, view, this.#askPassword, command.name, rest);
      case "report": {
        const { messageid, text } = messageAndText(rest);
        if (messageid === undefined || text === "") throw new CommandError("wanted: /report #N REASON");
        await patiently(() => client.report(messageid, text));
        return view.note(`#${messageid} is reported`);
      }
      case "status": {
        const { session, state } = client;
        return view.table([[`${session?.name} (${session?.id})${session?.device.name ? ` on ${session.device.name}` : ""}`], [state.state], [
          `${this.#sends.size} waiting to be stored`,
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

  /** Rule 3. */
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
    const deed = await deedOf(client, name, of, rest, () => this.#allStored());
    const { messageid, text } = deed;
    switch (name) {
      case "reply":
        return this.#send(of!, text, { reply: messageid });
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

  /** Resolves when all that was sent is stored or refused. Rejects with {@linkcode CommandError} if that takes long. */
  async #allStored(): Promise<void> {
    await within(this.settled(), LATE);
    if (this.#sends.size > 0) throw new CommandError("what you wrote last is not stored yet; #N names another message, /last shows the numbers");
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
    for (const message of found) this.#show(message, undefined, name === "last");
  }
}

function short(text: string): string {
  return text.length > 200 ? text.slice(0, 200) + "…" : text;
}
