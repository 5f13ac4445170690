/** Who is there: what is known here of people and groups, and the server's word where that is not enough. */
import { type Group, type GroupEvent, type Member, type NatterClient, NatterError, type Peer } from "../natter_client.ts";
import { byNameOrNumber } from "../by_name.ts";
import { patiently } from "../patiently.ts";
import { CommandError } from "./commands.ts";
import { People } from "./people.ts";
import { label } from "./text.ts";

/** Conversations whose unread messages are asked for. */
const CONVERSATIONS_OF_PAGE = 100;
/** The server counts no further. */
const MOST_UNREAD = 100;
/** Members that are asked for at once. */
const MEMBERS_OF_PAGE = 200;
/** Users that are asked about at once. */
const USERS_OF_REQUEST = 100;

/** Finds users and groups as they are typed. */
export class Directory {
  readonly people = new People();
  readonly #client: NatterClient;
  /** What happens in groups while the lists are on their way: they may know of it or not. */
  readonly #meanwhile = new Set<GroupEvent[]>();

  constructor(client: NatterClient) {
    this.#client = client;
  }

  /** The lists are asked for anew. */
  async refresh(): Promise<void> {
    const meanwhile: GroupEvent[] = [];
    this.#meanwhile.add(meanwhile);
    try {
      this.people.refresh(await patiently(() => this.#client.contacts()));
    } finally {
      this.#meanwhile.delete(meanwhile);
    }
    for (const event of meanwhile) this.happened(event);
  }

  /** Something happened in a group. */
  happened(event: GroupEvent): void {
    for (const meanwhile of this.#meanwhile) meanwhile.push(event);
    this.people.happened(event, this.#client.session?.id);
  }

  /** One of one's own groups as typed. Throws {@linkcode CommandError} if there is none. */
  group(typed: string): Group {
    const group = this.people.group(typed);
    if (!group) throw new CommandError(`you are in no group ${label(typed)}; /join joins one`);
    return group;
  }

  /** The number of a user as typed. Rejects with {@linkcode NatterError} 16 if there is none. */
  async userId(typed: string): Promise<number> {
    return this.people.idOf(typed) ?? await byNameOrNumber(typed, (who) => this.find(who, typed));
  }

  /** The number of a user whom nobody here knows yet, as typed. Rejects with {@linkcode NatterError} 16 if there is none. */
  async find(who: Peer, typed = "id" in who ? `#${who.id}` : who.name): Promise<number> {
    const [user] = await patiently(() => this.#client.users("id" in who ? { ids: [who.id] } : { names: [who.name] }));
    if (!user) throw new NatterError(16, `there is no user ${label(typed)}`);
    this.people.met(user.id, user.name);
    return user.id;
  }

  /** Enters a group as typed. What looks like a code is tried as one first. */
  async join(typed: string): Promise<Group> {
    const invitation = this.people.invitationCalled(typed);
    if (invitation) return await this.#client.joinGroup({ id: invitation.groupid });
    if (!/^[\w-]{22}$/.test(typed)) return await byNameOrNumber(typed, (which) => this.#client.joinGroup(which));
    return await this.#client.joinGroup({ code: typed }).catch((error) => {
      if (error instanceof NatterError && error.errno === 27) return this.#client.joinGroup({ name: typed });
      throw error;
    });
  }

  /** What `/who` shows: the members of a group, or all whom one can talk to. @returns its rows */
  async who(rest: string): Promise<string[][]> {
    const { people } = this;
    await this.refresh();
    if (rest !== "") {
      const { id } = this.group(rest);
      const members: Member[] = [];
      for (let after: number | undefined, more = true; more; after = members.at(-1)?.id) {
        const page = await patiently(() => this.#client.members(id, { after, limit: MEMBERS_OF_PAGE }));
        members.push(...page.members);
        more = page.more && page.members.length > 0;
      }
      for (const { id, name } of members) people.met(id, name);
      const bots = await this.#bots(members);
      return members.map(({ id, name, state, role }) => ["user", String(id), name, state, role, ...bots(id)]);
    }
    const { conversations } = await patiently(() => this.#client.conversations({ limit: CONVERSATIONS_OF_PAGE }));
    for (const { toid, name } of conversations) if (toid !== undefined) people.met(toid, name);
    const unread = (where: { toid: number } | { groupid: number }) => {
      const found = conversations.find(({ toid, groupid }) => "toid" in where ? toid === where.toid : groupid === where.groupid);
      return found && found.unread > 0 ? [`${found.unread < MOST_UNREAD ? found.unread : `${MOST_UNREAD} or more`} unread`] : [];
    };
    const others = people.strangers().filter(({ id }) => id !== this.#client.session?.id);
    const bots = await this.#bots([...people.friends, ...others]);
    const friends = people.friends.map(({ id, name, state }) => ["user", String(id), name, state, ...bots(id), ...unread({ toid: id })]);
    const groups = people.groups.map((
      { id, groupname, count },
    ) => ["group", String(id), groupname, `${count} ${count === 1 ? "member" : "members"}`, ...unread({ groupid: id })]);
    const strangers = others.map(({ id, name }) => ["user", String(id), name, "no contact", ...bots(id), ...unread({ toid: id })]);
    const invited = people.invited.map(({ groupid, groupname, byname }) => ["invited", String(groupid), groupname, `by ${byname}`]);
    return [...friends, ...groups, ...strangers, ...invited];
  }

  /** What stands beside those of these users who are programs: the lists do not tell. */
  async #bots(users: readonly { id: number }[]): Promise<(id: number) => string[]> {
    const bots = new Set<number>();
    for (let at = 0; at < users.length; at += USERS_OF_REQUEST) {
      const ids = users.slice(at, at + USERS_OF_REQUEST).map(({ id }) => id);
      for (const { id, bot } of await patiently(() => this.#client.users({ ids }))) if (bot) bots.add(id);
    }
    return (id) => bots.has(id) ? ["bot"] : [];
  }
}
