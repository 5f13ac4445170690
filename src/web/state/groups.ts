/**
 * Groups: coming in and going out, who is in them, what creator and moderators do with them, and what others did.
 * What is asked for rejects with {@linkcode NatterError} or {@linkcode ConnectionLost}.
 *
 * What was done in a group, by the user as well, is shown when its event comes.
 */
import { byNameOrNumber } from "../../client/by_name.ts";
import { type Group, type GroupEvent, type GroupSettings, type Members, NatterError, type Role } from "../../client/natter_client.ts";
import { patiently } from "../../client/patiently.ts";
import { codeOf } from "../door.ts";
import { t } from "../i18n.ts";
import { ask } from "./asking.ts";
import { withEvent } from "./lines.ts";
import { complainOfFailed } from "./lists.ts";
import { type Key, lineOfEvent } from "./model.ts";
import type { People } from "./people.ts";
import type { Account } from "./account.ts";
import type { State, Store } from "./store.ts";

/** Members that are loaded at once. */
const MEMBERS_ASKED_FOR = 100;
/** Of the banned as well. */
const BANNED = 200;

export class Groups {
  readonly #store: Store;
  readonly #account: Account;
  readonly #people: People;
  /** What happens while members are on their way, for each question: the answer may know of it or not. */
  readonly #meanwhile = new Set<GroupEvent[]>();

  constructor(store: Store, account: Account, people: People) {
    this.#store = store;
    this.#account = account;
    this.#people = people;
  }

  async create(name: string, description: string, isPrivate: boolean): Promise<Key> {
    const { groupid } = await ask(this.#account, (client) => client.createGroup(name, description, { private: isPrivate }));
    await this.#people.refresh();
    return `g${groupid}`;
  }

  /** By name, number or link. */
  async join(text: string): Promise<Key> {
    const code = codeOf(text);
    return this.#joined(
      code === undefined
        ? await byNameOrNumber(text, (which) => ask(this.#account, (client) => client.joinGroup(which)))
        : await ask(this.#account, (client) => client.joinGroup({ code })),
    );
  }

  async joinByCode(code: string): Promise<Key> {
    return this.#joined(await ask(this.#account, (client) => client.joinGroup({ code })));
  }

  /** Takes an invitation. */
  async accept(groupid: number): Promise<Key> {
    try {
      return this.#joined(await ask(this.#account, (client) => client.joinGroup({ id: groupid })));
    } catch (error) {
      // It is none any more: what stood there would stay, and the reason with it.
      if (error instanceof NatterError && error.errno === 17) {
        this.#uninvited(groupid);
        this.#store.complain(t.invitationOver);
      }
      throw error;
    }
  }

  /** Declines an invitation. */
  async decline(groupid: number): Promise<void> {
    // Where it is none any more there is nothing to decline.
    await ask(this.#account, (client) => client.leaveGroup(groupid)).catch((error) => {
      if (!(error instanceof NatterError) || (error.errno !== 17 && error.errno !== 18)) throw error;
    });
    this.#uninvited(groupid);
  }

  async leave(groupid: number): Promise<void> {
    await ask(this.#account, (client) => client.leaveGroup(groupid));
    this.#gone(groupid);
  }

  /** Brings the members of a group: the first of them, or (`more`) those behind what is there. */
  async loadMembers(groupid: number, more = false): Promise<void> {
    const known = more ? this.#store.state.members.get(groupid) : undefined;
    const meanwhile: GroupEvent[] = [];
    this.#meanwhile.add(meanwhile);
    let page: Members;
    try {
      const after = known?.members.at(-1)?.id;
      page = await ask(this.#account, (client) => patiently(() => client.members(groupid, { after, limit: MEMBERS_ASKED_FOR })));
    } finally {
      this.#meanwhile.delete(meanwhile);
    }
    const told: Members = { ...page, members: [...known?.members ?? [], ...page.members] };
    const now = meanwhile.filter((event) => event.groupid === groupid).reduce(withNews, told);
    const { members, names } = this.#store.state;
    this.#store.update({
      members: new Map(members).set(groupid, now),
      names: new Map([...names, ...page.members.map(({ id, name }) => [id, name] as const)]),
    });
    this.#amend(groupid, { count: now.count });
  }

  /** Brings who is banned from a group. */
  async loadBanned(groupid: number): Promise<void> {
    const { banned } = await ask(this.#account, (client) => client.banned(groupid, { limit: BANNED }));
    this.#store.update({ banned });
  }

  async setRole(groupid: number, userid: number, role: Role): Promise<void> {
    await ask(this.#account, (client) => client.setRole(groupid, userid, role));
  }

  async kick(groupid: number, userid: number, ban: boolean): Promise<void> {
    await ask(this.#account, (client) => client.kick(groupid, userid, { ban }));
  }

  async unban(groupid: number, userid: number): Promise<void> {
    await ask(this.#account, (client) => client.unban(groupid, userid));
    await this.loadBanned(groupid);
  }

  async update(groupid: number, settings: Partial<GroupSettings>): Promise<void> {
    await ask(this.#account, (client) => client.updateGroup(groupid, settings));
  }

  /** Lets somebody in, by name or number. */
  async invite(groupid: number, nameOrNumber: string): Promise<void> {
    await byNameOrNumber(nameOrNumber, async (who) => {
      const id = "id" in who ? who.id : await this.#people.idOf(who.name);
      await ask(this.#account, (client) => client.inviteToGroup(groupid, id));
    });
  }

  code(groupid: number, uses: number, days: number): Promise<string> {
    return this.#account.client.groupCode(groupid, { uses, days });
  }

  revoke(groupid: number): Promise<void> {
    return this.#account.client.revokeCodes(groupid);
  }

  /** Something happened in a group. */
  heard(event: GroupEvent): void {
    const { me, groups } = this.#store.state;
    const { groupid, what, id } = event;
    const mine = id === me.id;
    // CHANGED tells of it, and LOGIN_ACK: what is in the log may be over.
    if (what === "invited") return;
    for (const meanwhile of this.#meanwhile) meanwhile.push(event);
    if (mine && (what === "left" || what === "kicked")) {
      this.#gone(groupid);
      if (what === "kicked") this.#store.update({ removed: [...this.#removedFrom(groupid), event] });
      return;
    }
    if (mine && what === "joined") this.#store.update({ removed: this.#removedFrom(groupid) });
    // Whose group it is by now, the lists tell; what happened stands in its history.
    if (!groups.has(groupid)) return;
    this.again(event);
    this.#store.amend(`g${groupid}`, (c) => withEvent(c, lineOfEvent(event)));
    if (this.#store.state.open === `g${groupid}`) this.#store.update({ spoken: t.happened(event, me.id) });
    this.#changeMembers(groupid, (known) => withNews(known, event));
    if (what === "joined" && this.#store.state.members.has(groupid)) void this.loadMembers(groupid).catch(() => {});
  }

  /** What lists say of a group is so by now, whatever a list says that was asked for before. */
  again({ groupid, id, role, count, group: { groupname, private: isPrivate } = {} }: GroupEvent): void {
    const settings = { ...groupname === undefined ? {} : { groupname }, ...isPrivate === undefined ? {} : { private: isPrivate } };
    this.#amend(groupid, { count, ...id === this.#store.state.me.id && role ? { role } : {}, ...settings });
    if (groupname !== undefined) this.#store.amend(`g${groupid}`, (c) => ({ ...c, name: groupname }));
  }

  /** The user has read that. */
  dismiss(groupid: number): void {
    this.#store.update({ removed: this.#removedFrom(groupid) });
  }

  #removedFrom(groupid: number): GroupEvent[] {
    return this.#store.state.removed.filter((event) => event.groupid !== groupid);
  }

  #joined(group: Group): Key {
    this.#store.update({ groups: new Map(this.#store.state.groups).set(group.id, group) });
    this.#store.change(`g${group.id}`, group.groupname, (c) => c);
    this.#uninvited(group.id);
    return `g${group.id}`;
  }

  /** The user is not in it any more. */
  #gone(groupid: number): void {
    const groups = new Map(this.#store.state.groups), members = new Map(this.#store.state.members);
    groups.delete(groupid);
    members.delete(groupid);
    this.#store.update({ groups, members });
    const c = this.#store.conversation(`g${groupid}`);
    if (!c) return;
    this.#store.drop(c.key);
    complainOfFailed(this.#store, c);
  }

  /** The invitation was taken, or declined. */
  #uninvited(groupid: number): void {
    const invitations = new Map(this.#store.state.invitations);
    if (invitations.delete(groupid)) this.#store.update({ invitations });
  }

  #amend(groupid: number, change: Partial<Group>): void {
    const { groups } = this.#store.state;
    const group = groups.get(groupid);
    if (group) this.#store.update({ groups: new Map(groups).set(groupid, { ...group, ...change }) });
  }

  #changeMembers(groupid: number, how: (known: Members) => Members): void {
    const { members } = this.#store.state;
    const known = members.get(groupid);
    if (known) this.#store.update({ members: new Map(members).set(groupid, how(known)) });
  }
}

/** Somebody went, or is something else now; or the group is. */
function withNews(known: Members, { what, id, role, count, group }: GroupEvent): Members {
  if (what === "left" || what === "kicked") return { ...known, count, members: known.members.filter((member) => member.id !== id) };
  if (what === "updated") {
    const { groupname: _, private: isPrivate = known.private, ...others } = group ?? {};
    const { private: __, ...before } = known;
    return { ...before, ...others, ...isPrivate ? { private: true } : {} };
  }
  if (what !== "role" || role === undefined) return known;
  const members = known.members.map((member) => member.id === id ? { ...member, role } : member);
  return { ...known, members };
}

/** Whether the user runs this group, alone or with others. */
export function isModerator({ groups }: State, groupid: number): boolean {
  const role = groups.get(groupid)?.role;
  return role === "creator" || role === "moderator";
}

/** Whether the user may put a member out, or make one something else: nobody does so to oneself, or to those who may as much. */
export function mayTouch({ groups, me }: State, groupid: number, { id, role }: { id: number; role: Role }): boolean {
  const mine = groups.get(groupid)?.role;
  return id !== me.id && (mine === "creator" || mine === "moderator" && role === "normal");
}

/** Whether the user may write there, as far as it is known. */
export function mayWrite(state: State, groupid: number): boolean {
  return isModerator(state, groupid) || state.members.get(groupid)?.posting !== "moderators";
}

/** Who follows if the creator goes, where that is certain: the only moderator, or the only other member. */
export function successor({ members, me }: State, groupid: number): string | undefined {
  const known = members.get(groupid);
  if (!known || known.more) return undefined;
  const others = known.members.filter(({ id }) => id !== me.id), moderators = others.filter(({ role }) => role === "moderator");
  const [next, second] = moderators.length > 0 ? moderators : others;
  return second === undefined ? next?.name : undefined;
}
