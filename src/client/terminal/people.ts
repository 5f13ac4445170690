/** Whom a session knows: contacts, groups, and whoever wrote. Names are kept as the server gave them; {@linkcode label} makes them fit for a screen. */
import type { Friend, Group, GroupEvent, Invitation } from "../people.ts";
import type { Peer, Target } from "../protocol.ts";
import { numberTyped } from "../by_name.ts";
import { comparableName } from "../../wire/names.ts";
import type { Names } from "./commands.ts";
import { harmless, label } from "./text.ts";

/** The users and groups that can be named. */
export class People {
  friends: Friend[] = [];
  groups: Group[] = [];
  invited: Invitation[] = [];
  readonly #met = new Map<number, string>();
  /** Also of those that one is in no more: a conversation keeps its name. */
  readonly #groupNames = new Map<number, string>();

  /** Takes the lists of a login, or fresh ones. */
  refresh({ friends, groups, invited }: { friends: Friend[]; groups: Group[]; invited: Invitation[] }): void {
    this.friends = friends;
    this.groups = groups;
    this.invited = invited;
    for (const { id, name } of friends) this.#met.set(id, name);
    for (const { id, groupname } of groups) this.#groupNames.set(id, groupname);
  }

  /** Something happened in a group: what the lists say of it is another, and nobody else tells. Who came in or went is told by fresh lists. */
  happened({ groupid, what, id, role, group: now, count }: GroupEvent, self: number | undefined): void {
    if (what === "invited") return;
    if (now?.groupname !== undefined) this.#groupNames.set(groupid, now.groupname);
    const changed = { count, ...now?.groupname === undefined ? {} : { groupname: now.groupname }, ...id === self && role ? { role } : {} };
    this.groups = this.groups.map((group) => group.id === groupid ? { ...group, ...changed } : group);
  }

  /** Who was met and is no contact: they wrote, or are in a group. */
  strangers(): { id: number; name: string }[] {
    const known = new Set(this.friends.map(({ id }) => id));
    return [...this.#met].filter(([id]) => !known.has(id)).map(([id, name]) => ({ id, name }));
  }

  /** Somebody wrote, or was asked for. */
  met(id: number, name: string): void {
    this.#met.set(id, name);
  }

  /** Whether a user of this number was met. */
  knows(id: number): boolean {
    return this.#met.has(id);
  }

  /** A user as typed: by what can only be a number, by a name that is known, else by the name that the server may know. */
  user(typed: string): Peer {
    const number = numberTyped(typed);
    const id = number?.certain ? number.id : this.idOf(typed);
    return id === undefined ? { name: typed } : { id };
  }

  /** The number of a user as typed; undefined if nobody here is meant for certain: `12` may be the name of somebody else. */
  idOf(typed: string): number | undefined {
    const number = numberTyped(typed);
    if (number?.certain) return this.knows(number.id) ? number.id : undefined;
    for (const [id, name] of this.#met) if (isCalled(typed, name)) return id;
    return undefined;
  }

  /** One of one's own groups as typed. */
  group(typed: string): Group | undefined {
    return meant(typed, this.groups, ({ id }) => id);
  }

  /** An invitation, by its group as typed. */
  invitation(typed: string): Invitation | undefined {
    return meant(typed, this.invited, ({ groupid }) => groupid);
  }

  /** An invitation, by its group's name as typed: the server finds no private group by that. */
  invitationCalled(typed: string): Invitation | undefined {
    return named(typed, this.invited);
  }

  /** A user's name, as the server gave it. */
  rawNameOf(id: number): string {
    return this.#met.get(id) ?? `user ${id}`;
  }

  /** A user's name, fit for a screen. */
  nameOf(id: number): string {
    return label(this.rawNameOf(id));
  }

  /** A group's name, as the server gave it. */
  rawNameOfGroup(id: number): string {
    return this.#groupNames.get(id) ?? `group ${id}`;
  }

  /** A group's name, fit for a screen. */
  groupName(id: number): string {
    return label(this.rawNameOfGroup(id));
  }

  /** Where a message goes, fit for a screen: `bob`, `[cooks]`. */
  nameOfTarget(to: Target): string {
    if ("groupid" in to) return `[${this.groupName(to.groupid)}]`;
    return "id" in to ? this.nameOf(to.id) : label(to.name);
  }

  /** What Tab completes to, fit for a screen. */
  names(): Names {
    return { people: [...this.#met.values()].map(harmless).sort(), groups: this.groups.map(({ groupname }) => harmless(groupname)).sort() };
  }
}

/** The group that is typed, of these: by its name, or by its number. */
function meant<T extends { groupname: string }>(typed: string, groups: readonly T[], numberOf: (group: T) => number): T | undefined {
  return named(typed, groups) ?? groups.find((group) => numberOf(group) === numberTyped(typed)?.id);
}

function named<T extends { groupname: string }>(typed: string, groups: readonly T[]): T | undefined {
  return numberTyped(typed)?.certain ? undefined : groups.find(({ groupname }) => isCalled(typed, groupname));
}

/** Whether somebody who typed this means that name, be it as it is shown. */
function isCalled(typed: string, name: string): boolean {
  const key = comparableName(typed);
  return comparableName(name) === key || comparableName(harmless(name)) === key;
}
