/** What creator and moderators do with a group: `/invite`, `/kick`, `/ban`, `/unban`, `/role`; and what happens in groups, in words. */
import type { GroupEvent, NatterClient, Role } from "../natter_client.ts";
import { CommandError } from "./commands.ts";
import { patiently } from "../patiently.ts";
import { label } from "./text.ts";

const ROLES = ["creator", "moderator", "normal"];

/** Does one of these. `userId` finds a user as typed. @returns what to tell */
export async function moderate(
  client: NatterClient,
  name: "invite" | "kick" | "ban" | "unban" | "role",
  groupid: number,
  rest: string,
  userId: (typed: string) => Promise<number>,
): Promise<string> {
  if (name === "invite" && rest === "") return await patiently(() => client.groupCode(groupid));
  const [, role] = name === "role" ? / (\S+)$/.exec(rest) ?? [] : [];
  if (name === "role" && !ROLES.includes(role ?? "")) throw new CommandError(`wanted: /role NAME ${ROLES.join("|")}`);
  const who = role === undefined ? rest : rest.slice(0, -role.length - 1).trim();
  const id = await userId(who);
  switch (name) {
    case "invite":
      await patiently(() => client.inviteToGroup(groupid, id));
      return `${label(who)} may join within 7 days, by /join #${groupid}`;
    case "kick":
    case "ban":
      await patiently(() => client.kick(groupid, id, { ban: name === "ban" }));
      return name === "ban" ? `${label(who)} is banned` : `${label(who)} is put out`;
    case "unban":
      await patiently(() => client.unban(groupid, id));
      return `${label(who)} is not banned any more`;
    case "role":
      await patiently(() => client.setRole(groupid, id, role as Role));
      return `${label(who)} is ${role} now`;
  }
}

/** What happened in a group, in words. */
export function inWords({ what, groupid, groupname, id, name, byname, role, group }: GroupEvent, self: number | undefined): string {
  const where = `[${label(groupname)}]`, who = id === self ? "you" : label(name), by = byname === undefined ? "" : ` by ${label(byname)}`;
  const are = id === self ? "are" : "is", were = id === self ? "were" : "was";
  switch (what) {
    case "joined":
      return `${where} ${who} joined`;
    case "left":
      return `${where} ${who} left`;
    case "kicked":
      return `${where} ${who} ${were} put out${by}`;
    case "role":
      return `${where} ${who} ${are} ${role} now`;
    case "updated":
      return `${where} ${who} changed ${Object.entries(group ?? {}).map(([setting, value]) => `${setting}: ${value}`).join(", ")}`;
    case "invited":
      return `${where} ${who} ${were} invited${by}; /join #${groupid} joins it, /leave #${groupid} declines`;
  }
}

/** An invitation that waits. */
export function invitedInWords(groupid: number, groupname: string, byname: string): string {
  return `[${label(groupname)}] ${label(byname)} invites you; /join #${groupid} joins it, /leave #${groupid} declines`;
}
