/** What can be done with a message. */
import type { JSX } from "preact";
import { copyText } from "../clipboard.ts";
import { t } from "../i18n.ts";
import { mayDelete, mayEdit } from "../state/deeds.ts";
import { mayWrite } from "../state/groups.ts";
import { currentLine } from "../state/lines.ts";
import { isGroup, type Key, type Line, numberOf } from "../state/model.ts";
import { useParts } from "./context.ts";
import { type Anchor, Menu, type MenuItem } from "./menu.tsx";
import { Icon } from "./icons.tsx";

/** Those that are wanted most. */
const COMMON = ["👍", "❤️", "😂", "😮", "😢", "🎉"] as const;

/** A menu that is open. */
export interface OpenMenu {
  line: Line;
  anchor: Anchor;
}

export function MessageMenu(
  { conversation, open: { line: opened, anchor }, close }: { conversation: Key; open: OpenMenu; close(): void },
): JSX.Element {
  const { store, talk } = useParts();
  const line = currentLine(store.conversation(conversation), opened);
  const writes = !isGroup(conversation) || mayWrite(store.state, numberOf(conversation));
  const items: MenuItem[] = [];
  if (writes) items.push({ text: t.reply, icon: "reply", act: () => talk.write(conversation, { what: "reply", line }) });
  if (line.msg !== "") {
    items.push({ text: t.copyText, icon: "copy", act: () => void copyText(line.msg).catch(() => store.complain(t.copyFailed)) });
  }
  // In a moment it is known where files that were just sent are.
  if (!line.deleted && !line.files?.some(({ url }) => url === "")) {
    items.push({ text: t.forward, icon: "forward", act: () => store.update({ dialog: "forward", chosen: line }) });
  }
  if (writes && mayEdit(store.state, line)) {
    items.push({
      text: t.editMessage,
      icon: "edit",
      act: () => talk.write(conversation, { what: "edit", line }),
    });
  }
  if (mayDelete(store.state, conversation, line)) {
    items.push({ text: t.deleteMessage, icon: "trash", danger: true, act: () => store.update({ dialog: "delete", chosen: line }) });
  }
  if (line.state === "stored" && !line.deleted && line.id !== store.state.me.id) {
    items.push({ text: t.report, icon: "flag", act: () => store.update({ dialog: "report", chosen: line }) });
  }
  const mine = new Set(line.reactions?.filter((reaction) => reaction.mine).map((reaction) => reaction.emoji));
  return (
    <Menu label={t.actions} anchor={anchor} items={items} close={close}>
      <div class="common" role="group" aria-label={t.react}>
        {COMMON.map((emoji) => (
          <button
            type="button"
            key={emoji}
            role="menuitemcheckbox"
            tabIndex={-1}
            aria-checked={mine.has(emoji)}
            aria-label={t.reactWith(emoji)}
            onClick={() => {
              close();
              void talk.deeds.react(conversation, line, emoji);
            }}
          >
            {emoji}
          </button>
        ))}
        <button
          type="button"
          role="menuitem"
          tabIndex={-1}
          aria-label={t.moreReactions}
          title={t.moreReactions}
          onClick={() => {
            close();
            store.update({ dialog: "react", chosen: line });
          }}
        >
          <Icon name="smile" />
        </button>
      </div>
    </Menu>
  );
}
