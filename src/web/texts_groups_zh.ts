/** What the page says of groups, in Chinese. */
import type { GroupSettings } from "../client/natter_client.ts";
import type { englishGroups } from "./texts_groups_en.ts";

const roles = { creator: "创建者", moderator: "管理员", normal: "普通成员" };

function changed({ groupname, groupdesc, private: isPrivate, history, posting }: Partial<GroupSettings>): string {
  return [
    groupname !== undefined && `将群名改为“${groupname}”`,
    groupdesc !== undefined && "修改了群简介",
    isPrivate !== undefined && (isPrivate ? "将群设为私密" : "将群设为公开"),
    history !== undefined && (history === "all" ? "允许新成员查看以前的消息" : "设置新成员只能看到加入后的消息"),
    posting !== undefined && (posting === "all" ? "允许所有人发言" : "设置只有管理员可以发言"),
  ].filter((text) => text).join("，");
}

export const chineseGroups: typeof englishGroups = {
  public: "公开",
  private: "私密",
  kindOfGroup: "谁可以加入",
  publicHint: "其他人可以通过群名或编号加入。",
  privateHint: "只有受邀的人才知道并能加入。",
  privateGroup: "私密",
  nameOrLink: "群名或链接",
  joinHint: "群名、编号（例如 #3），或别人给你的链接。",
  joinTitle: "加入该群？",
  joinText: "你打开了一个群链接。群成员会看到你加入。",
  invitationOver: "该邀请已失效。",
  codeInvalid: "该链接无效或已失效，请再要一个。",
  banned: "你不能加入该群。",
  invitedBy: (by, group) => `${by} 邀请你加入“${group}”。`,
  decline: "暂不",
  removedBy: (by, group) => `${by} 已将你移出“${group}”。`,
  removed: (group) => `你已被移出“${group}”。`,
  understood: "知道了",

  memberMenu: (name) => `${name}：操作`,
  makeModerator: "设为管理员",
  makeNormal: "设为普通成员",
  makeCreator: "转让创建者",
  makeCreatorText: (name) => `${name} 将管理该群，你将成为管理员。只有 ${name} 能再更改。`,
  kick: "移出",
  kickText: (name) => `${name} 将不再收到该群的消息；若群是公开的或再次受邀，仍可加入。`,
  ban: "移出并封禁",
  banText: (name) => `${name} 将不再收到该群的消息，解除封禁前不能再加入。`,
  showBanned: "查看被封禁的人",
  bannedTitle: "已封禁",
  nobodyBanned: "没有人被封禁。",
  unban: "解除封禁",
  unbanNamed: (name) => `解除封禁：${name}`,
  leaveCreator: "入群最久的管理员（没有则为成员）将成为新的创建者。",
  leaveTo: (name) => `${name} 将成为新的创建者。`,

  sayHelloNobody: "群里还没有其他人。",
  inviteToGroup: "邀请他人",
  inviteNamed: "邀请",
  inviteHint: "对方会收到通知，并可在 7 天内加入。",
  invited: (name) => `已邀请 ${name}。`,
  notTaken: "对方不接受你的邀请。",
  inviteByLink: "通过链接",
  linkUses: "可用人数",
  linkDays: "有效天数",
  makeLink: "生成链接",
  groupLink: "群链接",
  linkHint: (people: number, days: number) => `拿到链接的人都可以加入：${days} 天内，最多 ${people} 人。链接只显示这一次。`,
  copyLink: "复制",
  linkCopied: "已复制",
  endLinks: "使所有链接失效",
  endLinksText: "以前为该群生成的链接都将不能再用来加入。已在群里的人不受影响。",
  linksEnded: "该群的所有链接已失效。",

  groupSettings: "群设置",
  newcomers: "新成员可以查看",
  newcomersAll: "所有消息",
  newcomersJoined: "加入后的消息",
  newcomersHint: "只对此后加入的成员有效。",
  writers: "谁可以发言",
  writersAll: "所有人",
  writersModerators: "管理员",
  onlyModerators: "这里只有管理员可以发言。",

  happened: ({ what, id, name, by, byname, role = "normal", group = {} }, me) => {
    const who = id === me ? "你" : name, doer = by === me ? "你" : byname;
    switch (what) {
      case "joined":
        return `${who} 加入了该群`;
      case "left":
        return `${who} 离开了该群`;
      case "kicked":
        return doer === undefined ? `${who} 被移出该群` : `${doer} 将 ${who} 移出该群`;
      case "role":
        return doer === undefined ? `${who} 现在是${roles[role]}` : `${doer} 将 ${who} 设为${roles[role]}`;
      case "updated":
        return `${who} ${changed(group)}`;
      case "invited":
        return `${doer ?? ""} 邀请了 ${who}`;
    }
  },
};
