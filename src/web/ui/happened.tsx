/** Something that happened in a group, as a line among the messages. */
import type { JSX } from "preact";
import type { GroupEvent } from "../../client/natter_client.ts";
import { fullTime, timeOfDay } from "../format.ts";
import { t } from "../i18n.ts";
import { memo } from "./memo.ts";

export const Happened = memo(({ event, me }: { event: GroupEvent; me: number }): JSX.Element => (
  <li class="happened" dir="auto">
    {t.happened(event, me)} <time dateTime={new Date(event.ts).toISOString()} title={fullTime(event.ts)}>{timeOfDay(event.ts)}</time>
  </li>
));
