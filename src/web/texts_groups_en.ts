/** What the page says of groups, in English. */
import type { GroupEvent, GroupSettings } from "../client/natter_client.ts";

const roles = { creator: "creator", moderator: "a moderator", normal: "an ordinary member" };

function changed({ groupname, groupdesc, private: isPrivate, history, posting }: Partial<GroupSettings>): string {
  return [
    groupname !== undefined && `named the group “${groupname}”`,
    groupdesc !== undefined && "changed what the group is about",
    isPrivate !== undefined && (isPrivate ? "made the group private" : "made the group public"),
    history !== undefined && (history === "all" ? "let new members read what was said before" : "let new members read only what comes"),
    posting !== undefined && (posting === "all" ? "let everybody write" : "let only moderators write"),
  ].filter((text) => text).join(", ");
}

export const englishGroups = {
  // Making one, and coming in
  public: "Public",
  private: "Private",
  kindOfGroup: "Who can join",
  publicHint: "Others join by its name, or by its number.",
  privateHint: "Only who is invited knows of it and can join.",
  privateGroup: "private",
  nameOrLink: "Name of the group, or a link",
  joinHint: "The group's name, its number such as #3, or a link that somebody gave you.",
  joinTitle: "Join the group?",
  joinText: "You opened a link to a group. Its members will see that you joined.",
  invitationOver: "This invitation is not valid any more.",
  codeInvalid: "This link is not valid, or not any more. Ask for another one.",
  banned: "You cannot join this group.",
  invitedBy: (by: string, group: string) => `${by} invites you to “${group}”.`,
  decline: "Not now",
  removedBy: (by: string, group: string) => `${by} removed you from “${group}”.`,
  removed: (group: string) => `You were removed from “${group}”.`,
  understood: "Understood",

  // Who is in it
  memberMenu: (name: string) => `${name}: what to do`,
  makeModerator: "Make moderator",
  makeNormal: "Make ordinary member",
  makeCreator: "Make creator",
  makeCreatorText: (name: string) => `${name} will run this group, and you will be a moderator. Only ${name} can change that.`,
  kick: "Remove",
  kickText: (name: string) => `${name} gets no more messages of this group, and can join again if it is public or somebody invites them.`,
  ban: "Remove and ban",
  banText: (name: string) => `${name} gets no more messages of this group, and cannot join again until the ban is lifted.`,
  showBanned: "Show who is banned",
  bannedTitle: "Banned",
  nobodyBanned: "Nobody is banned.",
  unban: "Lift the ban",
  unbanNamed: (name: string) => `Lift the ban: ${name}`,
  leaveCreator: "The moderator, or else the member, who has been here longest takes your place as creator.",
  leaveTo: (name: string) => `${name} takes your place as creator.`,

  // Inviting
  sayHelloNobody: "Nobody else is in this group yet.",
  inviteToGroup: "Invite people",
  inviteNamed: "Invite",
  inviteHint: "They are told, and can join within 7 days.",
  invited: (name: string) => `${name} is invited.`,
  notTaken: "They take no invitations from you.",
  inviteByLink: "By a link",
  linkUses: "How many people",
  linkDays: "How many days",
  makeLink: "Make a link",
  groupLink: "Link to the group",
  linkHint: (people: number, days: number) => {
    const who = people === 1 ? "one person" : `${people} people`, how = days === 1 ? "one day" : `${days} days`;
    return `Whoever has it can join: ${who}, within ${how}. It is shown this once.`;
  },
  copyLink: "Copy",
  linkCopied: "Copied",
  endLinks: "End all links",
  endLinksText: "No link that was made for this group lets anybody in any more. Who is in it stays.",
  linksEnded: "No link to this group works any more.",

  // Its settings
  groupSettings: "Group settings",
  newcomers: "New members read",
  newcomersAll: "All that was said",
  newcomersJoined: "What comes",
  newcomersHint: "It counts for those who join from now on.",
  writers: "Who writes",
  writersAll: "Everybody",
  writersModerators: "Moderators",
  onlyModerators: "Only moderators write here.",

  /** What happened, as a line among the messages. */
  happened: ({ what, id, name, by, byname, role = "normal", group = {} }: GroupEvent, me: number): string => {
    const who = id === me ? "You" : name, whom = id === me ? "you" : name;
    const doer = by === me ? "You" : byname;
    switch (what) {
      case "joined":
        return `${who} joined`;
      case "left":
        return `${who} left`;
      case "kicked":
        return doer === undefined ? `${name} was removed` : `${doer} removed ${whom}`;
      case "role":
        return doer === undefined ? `${who} ${id === me ? "are" : "is"} ${roles[role]} now` : `${doer} made ${whom} ${roles[role]}`;
      case "updated":
        return `${who} ${changed(group)}`;
      case "invited":
        return `${doer ?? ""} invited ${whom}`;
    }
  },
};
