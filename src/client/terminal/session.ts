/**
 * A login, from its first line to its last: does what is typed, and shows what arrives.
 *
 * Rules:
 *
 * 1. A message is shown before it is confirmed: the client confirms when the listener has returned.
 * 2. What was sent and not stored is told, with its text, whatever ended it.
 * 3. When a conversation cannot be chosen, none is: a text must never go to the one before.
 */
import { within } from "../../async/within.ts";
import { comparableName } from "../../wire/names.ts";
import { type ConnectionState, type IncomingMessage, type NatterClient, NatterError, type Target } from "../natter_client.ts";
import { type Command, CommandError, helpLines, parseCommand } from "./commands.ts";
import { People } from "./people.ts";
import { harmless, label, reasonOf } from "./text.ts";
import type { View } from "./view.ts";

/** Asks for a password; undefined: given up. */
export type AskPassword = (question: string) => Promise<string | undefined>;

/** What a command leads to. */
export type Next = "stay" | "logout" | "quit";

/** How long a message may be unanswered before it is mentioned (ms). */
const LATE = 1500;
/** How often a request is made again that the server puts off, and for how long it may do so (ms). */
const ATTEMPTS = 10, MOST_DELAY = 10_000;
/** Most messages that `/history` shows. */
const MOST_HISTORY = 1000;

/** What a person or a script does with a client that is logged in. */
export class Session {
  readonly people = new People();
  /** Told when what the prompt says may have changed. */
  onChange: () => void = () => {};
  /** Told when the session is over without having been asked to end. */
  onOver: () => void = () => {};
  /** How many messages have been unanswered for so long that it is worth a word. */
  waiting = 0;
  /** How many messages were given up without an answer. */
  unstored = 0;
  /** The number of the last message that arrived. */
  lastSeq = 0;
  readonly #client: NatterClient;
  readonly #view: View;
  readonly #askPassword: AskPassword;
  readonly #sends = new Set<Promise<void>>();
  #target: Target | undefined;
  #lastWriter: Target | undefined;
  #wasOffline = false;

  /** The client is about to log in. */
  constructor(client: NatterClient, view: View, askPassword: AskPassword) {
    this.#client = client;
    this.#view = view;
    this.#askPassword = askPassword;
    client.on("login", (ack) => this.people.refresh(ack));
    client.on("message", (message) => this.#arrived(message));
    client.on("presence", ({ id, state }) => {
      const friend = this.people.friends.find((friend) => friend.id === id);
      if (friend) friend.state = state;
      view.note(`${this.people.nameOf(id)} is ${state}`);
    });
    client.on("state", (state) => this.#moved(state));
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

  /** Resolves when everything sent so far has been answered, or told to be lost. */
  async settled(): Promise<void> {
    await Promise.all(this.#sends);
  }

  /** Ends the session: on the server, if it can be told within `patience` ms. What is not stored by then is told. */
  async end(patience = 3000): Promise<void> {
    const client = this.#client;
    this.onOver = () => {};
    if (client.state.state === "online") await within(this.settled(), patience);
    if (client.state.state === "online") await within(client.logout().catch(() => {}), patience);
    await client.close();
    await this.settled();
  }

  #arrived(message: IncomingMessage): void {
    const { id, name, groupid } = message;
    this.people.met(id, name);
    this.lastSeq = message.seq;
    if (groupid !== undefined) this.#lastWriter = { groupid };
    else if (id !== this.#client.session?.id) this.#lastWriter = { id };
    this.#show(message);
  }

  #show(message: Omit<IncomingMessage, "seq">): void {
    const { groupid } = message;
    const group = groupid === undefined ? undefined : this.people.groups.find(({ id }) => id === groupid)?.groupname ?? `group ${groupid}`;
    this.#view.message({ ...message, group });
  }

  #moved(state: ConnectionState): void {
    if (state.state === "offline" && !this.#wasOffline) {
      this.#wasOffline = true;
      this.#view.note(`${reasonOf(state.error)}; trying to come back`);
    } else if (state.state === "online" && this.#wasOffline) {
      this.#wasOffline = false;
      this.#view.note("connected again");
    } else if (state.state === "closed" && "error" in state) {
      this.#view.fault(reasonOf(state.error));
      this.onOver();
    }
    this.onChange();
  }

  #send(to: Target, text: string): void {
    const what = `to ${this.people.nameOfTarget(to)}: ${harmless(text)}`;
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
    const done = this.#client.chat(to, text).then(
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
    if (command.name === "groupchat") return this.#send({ groupid: this.#group(command.who).id }, command.text);
    const { rest } = command as { rest: string };
    switch (command.name) {
      case "say":
        if (rest === "") return;
        if (!this.#target) throw new CommandError("to whom? /to NAME or /group NAME says it");
        return this.#send(this.#target, rest);
      case "to":
        return await this.#choose(async () => {
          const to = people.user(rest);
          // Asking for the history tells whether the user exists.
          if (!("id" in to && people.friends.some(({ id }) => id === to.id))) await patiently(() => client.history(to, { limit: 1 }));
          return to;
        });
      case "group":
        return await this.#choose(() => ({ groupid: this.#group(rest).id }));
      case "r":
        return await this.#choose(() => {
          if (!this.#lastWriter) throw new CommandError("nobody has written yet");
          return this.#lastWriter;
        });
      case "history":
        return await this.#history(rest);
      case "find": {
        if (rest.trim() === "") throw new CommandError("wanted: /find TEXT");
        const { messages } = await patiently(() => client.search(rest));
        if (messages.length === 0) return view.note("nothing that was said has these words");
        for (const message of messages.reverse()) this.#show(message);
        return;
      }
      case "who":
        return await this.#who(rest);
      case "add": {
        const { id, name, state } = await patiently(() => client.addFriend(people.user(rest)));
        await this.#refresh();
        return view.note(`${label(name)} (${id}) is on the contact list, and is ${state}`);
      }
      case "remove": {
        const id = await this.#userId(rest);
        await patiently(() => client.removeFriend(id));
        await this.#refresh();
        return view.note(`${label(rest)} is off the contact list`);
      }
      case "block": {
        const id = await this.#userId(rest);
        await patiently(() => client.block(id));
        return view.note(`${label(rest)} is blocked`);
      }
      case "unblock": {
        const id = await this.#userId(rest);
        await patiently(() => client.unblock(id));
        return view.note(`${label(rest)} is not blocked any more`);
      }
      case "create": {
        const [, name, description = ""] = /^([^:]*)(?::(.*))?$/s.exec(rest)!;
        const { groupid } = await patiently(() => client.createGroup(name.trim(), description.trim()));
        await this.#refresh();
        return view.note(`the group ${label(name.trim())} (${groupid}) is there; /group ${name.trim()} talks to it`);
      }
      case "join": {
        const { id, groupname } = await patiently(() => client.joinGroup(/^\d+$/.test(rest) ? { id: Number(rest) } : { name: rest }));
        await this.#refresh();
        return view.note(`you are in ${label(groupname)} (${id}); /group ${groupname} talks to it`);
      }
      case "leave": {
        const { id, groupname } = this.#group(rest);
        await patiently(() => client.leaveGroup(id));
        if (this.#target && "groupid" in this.#target && this.#target.groupid === id) this.#target = undefined;
        await this.#refresh();
        return view.note(`you have left ${label(groupname)}`);
      }
      case "password":
        return await this.#changePassword();
      case "status": {
        const { session, state } = client;
        return view.table([[`${session?.name} (${session?.id})`], [state.state], [`${this.#sends.size} waiting to be stored`]]);
      }
      case "help":
        return view.table(helpLines().map((line) => [line]));
    }
  }

  /** Rule 3. */
  async #choose(find: () => Target | Promise<Target>): Promise<void> {
    this.#target = undefined;
    try {
      this.#target = await find();
    } finally {
      this.onChange();
    }
  }

  async #history(rest: string): Promise<void> {
    const wanted = rest === "" ? 20 : /^\d+$/.test(rest) ? Math.min(Number(rest), MOST_HISTORY) : NaN;
    if (!(wanted > 0)) throw new CommandError("wanted: /history N");
    const of = this.#target;
    if (!of) throw new CommandError("of which conversation? /to NAME or /group NAME says it");
    const found = [];
    for (let before: number | undefined, more = true; more && found.length < wanted;) {
      const page = await patiently(() => this.#client.history(of, { before, limit: Math.min(100, wanted - found.length) }));
      found.unshift(...page.messages);
      more = page.more && page.messages.length > 0;
      before = page.messages[0]?.messageid;
    }
    if (found.length === 0) this.#view.note("nothing has been written yet");
    for (const message of found) this.#show(message);
  }

  async #who(rest: string): Promise<void> {
    const { people } = this, view = this.#view;
    await this.#refresh();
    if (rest !== "") {
      return view.table(this.#group(rest).users.map(({ id, name, state, role }) => ["user", String(id), name, state, role]));
    }
    const friends = people.friends.map(({ id, name, state }) => ["user", String(id), name, state]);
    const groups = people.groups.map((
      { id, groupname, users },
    ) => ["group", String(id), groupname, `${users.length} ${users.length === 1 ? "member" : "members"}`]);
    if (friends.length + groups.length === 0) view.note("no contacts and no groups yet; /add NAME and /join NAME put them here");
    view.table([...friends, ...groups]);
  }

  async #changePassword(): Promise<void> {
    const old = await this.#askPassword("Present password: ");
    const wanted = old === undefined ? undefined : await this.#askPassword("New password: ");
    const again = wanted === undefined ? undefined : await this.#askPassword("Once more: ");
    if (old === undefined || wanted === undefined || again === undefined) return this.#view.note("the password stays as it is");
    if (wanted !== again) throw new CommandError("the two are not the same; the password stays as it is");
    await patiently(() => this.#client.changePassword(old, wanted));
    this.#view.note("the password is changed");
  }

  async #refresh(): Promise<void> {
    this.people.refresh(await patiently(() => this.#client.contacts()));
    this.onChange();
  }

  #group(typed: string) {
    const group = this.people.group(typed);
    if (!group) throw new CommandError(`you are in no group ${label(typed)}; /join joins one`);
    return group;
  }

  /** The number of a user as typed. Somebody unknown here can be named by number. */
  async #userId(typed: string): Promise<number> {
    const known = this.people.idOf(typed);
    if (known !== undefined) return known;
    // A conversation tells the number, if the other has written in it.
    const { messages } = await patiently(() => this.#client.history({ name: typed }, { limit: 100 }));
    const theirs = messages.find(({ name }) => comparableName(name) === comparableName(typed));
    if (!theirs) throw new CommandError(`${label(typed)} is neither a contact nor in a group of yours; use the number`);
    return theirs.id;
  }
}

function short(text: string): string {
  return text.length > 200 ? text.slice(0, 200) + "…" : text;
}

/** Makes a request until the server takes it or refuses it, as long as it only says "later" (then it has done nothing). Rejects as the request does. */
async function patiently<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await request();
    } catch (error) {
      const later = error instanceof NatterError && (error.errno === 15 || error.errno === 19);
      const delay = later ? error.retry ?? 1000 : Infinity;
      if (delay > MOST_DELAY || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}
