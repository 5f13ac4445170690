/** What one does to one's lists: `/add`, `/remove`, `/block`, `/unblock`; `/create`, `/private`, `/join`, `/leave`. */
import { byNameOrNumber } from "../by_name.ts";
import type { NatterClient, Peer } from "../natter_client.ts";
import { patiently } from "../patiently.ts";
import type { Directory } from "./directory.ts";
import { label } from "./text.ts";

/** Does one of these; the lists are another then. @returns what to tell */
export async function inLists(
  client: NatterClient,
  directory: Directory,
  command: "add" | "remove" | "block" | "unblock" | "create" | "private" | "join" | "leave",
  rest: string,
): Promise<string> {
  switch (command) {
    case "add": {
      const known = directory.people.idOf(rest);
      const add = (who: Peer) => patiently(() => client.addFriend(who));
      const { id, name, state } = known === undefined ? await byNameOrNumber(rest, add) : await add({ id: known });
      return `${label(name)} (${id}) is on the contact list, and is ${state}`;
    }
    case "remove": {
      const id = await directory.userId(rest);
      await patiently(() => client.removeFriend(id));
      return `${label(rest)} is off the contact list`;
    }
    case "block": {
      const id = await directory.userId(rest);
      await patiently(() => client.block(id));
      return `${label(rest)} is blocked`;
    }
    case "unblock": {
      const id = await directory.userId(rest);
      await patiently(() => client.unblock(id));
      return `${label(rest)} is not blocked any more`;
    }
    case "create":
    case "private": {
      const [, name, description = ""] = /^([^:]*)(?::(.*))?$/s.exec(rest)!;
      const isPrivate = command === "private";
      const create = () => client.createGroup(name.trim(), description.trim(), isPrivate ? { private: true } : {});
      const { groupid } = await patiently(create, { once: true });
      return `the group ${label(name.trim())} (${groupid}) is there; /group ${name.trim()} talks to it`;
    }
    case "join": {
      const { id, groupname } = await patiently(() => directory.join(rest));
      return `you are in ${label(groupname)} (${id}); /group ${groupname} talks to it`;
    }
    case "leave": {
      const { people } = directory;
      const invitation = people.group(rest) ? undefined : people.invitation(rest);
      if (invitation) {
        await patiently(() => client.leaveGroup(invitation.groupid));
        return `the invitation into ${label(invitation.groupname)} is declined`;
      }
      const { id, groupname } = directory.group(rest);
      await patiently(() => client.leaveGroup(id));
      return `you have left ${label(groupname)}`;
    }
  }
}
