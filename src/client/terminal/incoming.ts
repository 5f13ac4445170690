/** What arrives: shown as it comes. A message is shown before it is confirmed: the client confirms when the listener has returned. */
import { isMentioned } from "../../search/mentions.ts";
import type { ChatMessage, ConnectionState, IncomingMessage, LoginAck, NatterClient } from "../natter_client.ts";
import type { Directory } from "./directory.ts";
import { invitedInWords, inWords } from "./moderation.ts";
import { reasonOf, short } from "./text.ts";
import type { View } from "./view.ts";

/** What one is told of it. */
interface Told {
  /** What the prompt says may have changed. */
  changed: () => void;
  /** Somebody else's message was shown. */
  heard: (message: IncomingMessage) => void;
  /** The session is over without having been asked to end. */
  over: () => void;
}

/** What comes from the server unasked. */
export class Incoming {
  /** The number of the last entry of the log that arrived. */
  lastSeq = 0;
  /** Told when `lastSeq` is another. */
  onArrived: () => void = () => {};
  /** The end of the session is asked for, and told by whoever does. */
  ending = false;
  readonly #client: NatterClient;
  readonly #directory: Directory;
  readonly #view: View;
  readonly #told: Told;
  #wasOffline = false;
  /** There was a login: until then, how it ends is told by whoever tried. */
  #loggedIn = false;
  /** Up to where the log has nothing but invitations that a login has told of; undefined: there was none yet. */
  #invitedUpTo: number | undefined;

  /** The client is about to log in. */
  constructor(client: NatterClient, directory: Directory, view: View, told: Told) {
    this.#client = client;
    this.#directory = directory;
    this.#view = view;
    this.#told = told;
    const { people } = directory;
    client.on("login", (ack) => {
      this.#loggedIn = true;
      people.met(ack.id, ack.name);
      people.refresh(ack);
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
      people.met(event.id, event.name);
      directory.happened(event);
      told.changed();
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
    client.on("changed", () => void directory.refresh().then(told.changed, () => {}));
    client.on("presence", ({ id, state }) => {
      const friend = people.friends.find((friend) => friend.id === id);
      if (friend) friend.state = state;
      view.note(`${people.nameOf(id)} is ${state}`);
    });
    client.on("state", (state) => this.#moved(state));
  }

  /** Shows a message. `to`: whom one wrote to oneself, elsewhere. */
  show(message: ChatMessage, to?: number, numbered?: boolean): void {
    const { groupid } = message;
    const { people } = this.#directory;
    const group = groupid === undefined ? undefined : people.rawNameOfGroup(groupid);
    const number = numbered ? message.messageid : undefined;
    const me = this.#client.session;
    const files = message.files?.map((file) => ({ ...file, url: (me?.url ?? "") + file.url }));
    const speaks = group !== undefined && message.id !== me?.id && isMentioned(me?.name ?? "", message.msg);
    this.#view.message({ ...message, files, group, to: to === undefined ? undefined : people.rawNameOf(to), number, speaks });
  }

  #arrived(message: IncomingMessage): void | Promise<void> {
    const { id, name, toid } = message;
    const { people } = this.#directory;
    people.met(id, name);
    // Written elsewhere, to somebody whom nobody here knows yet.
    if (toid !== undefined && !people.knows(toid)) return this.#directory.find({ id: toid }).catch(() => {}).then(() => this.#take(message));
    this.#take(message);
  }

  #take(message: IncomingMessage): void {
    const { id, toid } = message;
    const mine = id === this.#client.session?.id;
    this.#came(message.seq);
    // What was typed here stands here.
    if (this.#client.sentHere(message) && toid !== id) return;
    this.show(message, mine && toid !== undefined && toid !== id ? toid : undefined);
    if (!mine) this.#told.heard(message);
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

  /** Somebody else did something. */
  #tell({ id, groupid }: { id: number; groupid?: number }, what: string): void {
    if (id === this.#client.session?.id) return;
    const { people } = this.#directory;
    this.#view.note(`${groupid === undefined ? "" : `[${people.groupName(groupid)}] `}${people.nameOf(id)} ${short(what)}`);
  }

  #moved(state: ConnectionState): void {
    if (state.state === "offline" && !this.#wasOffline) {
      this.#wasOffline = true;
      this.#view.note(`${reasonOf(state.error)}; trying to come back`);
    } else if (state.state === "online" && this.#wasOffline) {
      this.#wasOffline = false;
      this.#view.note("connected again");
    } else if (state.state === "closed" && "error" in state && this.#loggedIn) {
      if (!this.ending) this.#view.fault(reasonOf(state.error));
      this.#told.over();
    }
    this.#told.changed();
  }
}
