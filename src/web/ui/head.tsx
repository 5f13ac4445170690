/** Whose details these are. */
import type { JSX } from "preact";
import { t } from "../i18n.ts";
import { Avatar } from "./avatar.tsx";
import { useProfile } from "./use_profile.ts";

export function Head({ id, name, group, line }: { id: number; name: string; group: boolean; line: string }): JSX.Element {
  const { about, bot } = useProfile(group ? undefined : id) ?? {};
  return (
    <div class="head">
      <Avatar id={id} name={name} group={group} size="large" />
      <p class="head-name">
        <bdi>{name}</bdi>
      </p>
      {bot && <p class="fine">{t.bot}</p>}
      {about !== undefined && <p class="about" dir="auto">{about}</p>}
      <p class="fine">{line}</p>
      <p class="fine">{t.number} #{id}</p>
    </div>
  );
}
