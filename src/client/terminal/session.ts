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
import {
  type ChatMessage,
  type ConnectionState,
  type Device,
  type IncomingMessage,
  type Member,
  type NatterClient,
  NatterError,
  type Peer,
  type Target,
} from "../natter_client.ts";
import { type Command, CommandError, helpLines, parseCommand } from "./commands.ts";
import { People } from "./people.ts";
import { harmless, isoTime, label, reasonOf } from "./text.ts";
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
/** Members that are asked for at once. */
const MEMBERS = 200;

/** What a person or a script does with a client that is logged in. */
export class Session {
  readonly people = new People();
  /** Told when what the prompt says may have changed. */
  onChange: () => void = () => {};
  /** A conversation could not be chosen (rule 3); without it, none is then. */
  onAstray: (() => void) | undefined;
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
    client.on("login", (ack) => {
      this.people.met(ack.id, ack.name);
      this.people.refresh(ack);
    });
    client.on("message", (message) => this.#arrived(message));
    client.on("anew", () => view.note("not all that was written meanwhile is shown here; /history has it"));
    client.on("changed", () => void this.#refresh().catch(() => {}));
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
    const client = this.#client;
    this.onOver = () => {};
    if (client.state.state === "online") await within(this.settled(), patience);
    if (client.state.state === "online") await within(client.logout().catch(() => {}), patience);
    await client.close();
    await this.settled();
  }

  #arrived(message: IncomingMessage): void | Promise<void> {
    const { id, name, toid } = message;
    this.people.met(id, name);
    // Written elsewhere, to somebody whom nobody here knows yet.
    if (toid !== undefined && !this.people.knows(toid)) return this.#find({ id: toid }).catch(() => {}).then(() => this.#take(message));
    this.#take(message);
  }

  #take(message: IncomingMessage): void {
    const { id, toid, groupid } = message;
    const mine = id === this.#client.session?.id;
    this.lastSeq = message.seq;
    // What was typed here stands here.
    if (this.#client.sentHere(message) && toid !== id) return;
    if (groupid !== undefined) this.#lastWriter = { groupid };
    else if (!mine) this.#lastWriter = { id };
    this.#show(message, mine && toid !== undefined && toid !== id ? toid : undefined);
  }

  /** `to`: whom one wrote to oneself, elsewhere. */
  #show(message: ChatMessage, to?: number): void {
    const { groupid } = message;
    const group = groupid === undefined ? undefined : this.people.groups.find(({ id }) => id === groupid)?.groupname ?? `group ${groupid}`;
    this.#view.message({ ...message, group, to: to === undefined ? undefined : this.people.rawNameOf(to) });
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
          return "id" in to && people.knows(to.id) ? to : { id: await this.#find(to) };
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
      case "devices": {
        const devices = await patiently(() => client.devices());
        return view.table(devices.map(deviceRow));
      }
      case "signout": {
        if (!/^\d{1,15}$/.test(rest)) throw new CommandError("wanted: /signout N, as /devices numbers them");
        if (Number(rest) === client.session?.device.id) throw new CommandError("that is this one: /logout ends it");
        await patiently(() => client.removeDevice(Number(rest)));
        return view.note(`device ${rest} is signed out`);
      }
      case "password":
        return await this.#changePassword();
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

  /** Rule 3. */
  async #choose(find: () => Target | Promise<Target>): Promise<void> {
    if (!this.onAstray) this.#target = undefined;
    try {
      this.#target = await find();
    } catch (error) {
      this.onAstray?.();
      throw error;
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
      const { id } = this.#group(rest);
      const members: Member[] = [];
      for (let after: number | undefined, more = true; more; after = members.at(-1)?.id) {
        const page = await patiently(() => this.#client.members(id, { after, limit: MEMBERS }));
        members.push(...page.members);
        more = page.more && page.members.length > 0;
      }
      for (const { id, name } of members) people.met(id, name);
      return view.table(members.map(({ id, name, state, role }) => ["user", String(id), name, state, role]));
    }
    const friends = people.friends.map(({ id, name, state }) => ["user", String(id), name, state]);
    const groups = people.groups.map((
      { id, groupname, count },
    ) => ["group", String(id), groupname, `${count} ${count === 1 ? "member" : "members"}`]);
    const strangers = people.strangers().filter(({ id }) => id !== this.#client.session?.id).map((
      { id, name },
    ) => ["user", String(id), name, "no contact"]);
    if (friends.length + groups.length + strangers.length === 0) view.note("no contacts and no groups yet; /add NAME and /join NAME put them here");
    view.table([...friends, ...groups, ...strangers]);
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

  /** The number of a user as typed. */
  async #userId(typed: string): Promise<number> {
    return this.people.idOf(typed) ?? await this.#find({ name: typed });
  }

  /** The number of a user whom nobody here knows yet. Rejects with {@linkcode CommandError} if there is none. */
  async #find(who: Peer): Promise<number> {
    const [user] = await patiently(() => this.#client.users("id" in who ? { ids: [who.id] } : { names: [who.name] }));
    if (!user) throw new CommandError(`there is no user ${"id" in who ? who.id : label(who.name)}`);
    this.people.met(user.id, user.name);
    return user.id;
  }
}

function deviceRow({ id, name, state, since, lastseen, address = "", this: own }: Device): string[] {
  const when = state === "online" ? since : lastseen;
  const what = name === "" ? "(programs without a name)" : name;
  return ["device", String(id), what, state, when === null ? "-" : isoTime(when), address, ...(own ? ["this one"] : [])];
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
