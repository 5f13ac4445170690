/** Whom a session knows: contacts, groups, and whoever wrote. Names are kept as the server gave them; {@linkcode label} makes them fit for a screen. */
import type { Friend, Group, Invitation } from "../people.ts";
import type { Peer, Target } from "../protocol.ts";
import { comparableName } from "../../wire/names.ts";
import type { Names } from "./commands.ts";
import { harmless, label } from "./text.ts";

/** The users and groups that can be named. */
export class People {
  friends: Friend[] = [];
  groups: Group[] = [];
  invited: Invitation[] = [];
  readonly #met = new Map<number, string>();

  /** Takes the lists of a login, or fresh ones. */
  refresh({ friends, groups, invited }: { friends: Friend[]; groups: Group[]; invited: Invitation[] }): void {
    this.friends = friends;
    this.groups = groups;
    this.invited = invited;
    for (const { id, name } of friends) this.#met.set(id, name);
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

  /** A user as typed: by number, by a name that is known, else by the name that the server may know. */
  user(typed: string): Peer {
    const id = this.idOf(typed);
    return id === undefined ? { name: typed } : { id };
  }

  /** The number of a user as typed; undefined if it is a name that nobody here has. */
  idOf(typed: string): number | undefined {
    if (/^\d+$/.test(typed)) return Number(typed);
    const key = comparableName(typed);
    for (const [id, name] of this.#met) if (comparableName(name) === key || comparableName(harmless(name)) === key) return id;
    return undefined;
  }

  /** One of one's own groups as typed. */
  group(typed: string): Group | undefined {
    return this.groups.find(({ id, groupname }) => isTyped(typed, id, groupname));
  }

  /** An invitation, by its group as typed. */
  invitation(typed: string): Invitation | undefined {
    return this.invited.find(({ groupid, groupname }) => isTyped(typed, groupid, groupname));
  }

  /** A user's name, as the server gave it. */
  rawNameOf(id: number): string {
    return this.#met.get(id) ?? `user ${id}`;
  }

  /** A user's name, fit for a screen. */
  nameOf(id: number): string {
    return label(this.rawNameOf(id));
  }

  /** A group's name, fit for a screen. */
  groupName(id: number): string {
    const group = this.groups.find((group) => group.id === id);
    return group ? label(group.groupname) : `group ${id}`;
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

/** Whether somebody who typed this means the group of that number and name. */
function isTyped(typed: string, id: number, groupname: string): boolean {
  if (/^\d+$/.test(typed)) return Number(typed) === id;
  const key = comparableName(typed);
  return comparableName(groupname) === key || comparableName(harmless(groupname)) === key;
}
