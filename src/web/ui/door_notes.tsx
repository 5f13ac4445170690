/** Above the list: groups that the user may join, and those that the user was put out of. */
import type { JSX } from "preact";
import type { Invitation as InvitationOf } from "../../client/natter_client.ts";
import { t } from "../i18n.ts";
import type { State } from "../state/store.ts";
import { useParts } from "./context.ts";
import { useRequest } from "./use_request.ts";

export function DoorNotes({ state: { invitations, removed } }: { state: State }): JSX.Element {
  const { groups } = useParts();
  return (
    <div class="door-notes" role="status">
      {removed.map(({ groupid, groupname, byname }) => (
        <div key={groupid} class="strip">
          <span>{byname === undefined ? t.removed(groupname) : t.removedBy(byname, groupname)}</span>
          <button type="button" class="quiet" onClick={() => groups.dismiss(groupid)}>{t.understood}</button>
        </div>
      ))}
      {[...invitations.values()].map((invitation) => <Invitation key={invitation.groupid} invitation={invitation} />)}
    </div>
  );
}

function Invitation({ invitation: { groupid, groupname, byname } }: { invitation: InvitationOf }): JSX.Element {
  const { groups, route } = useParts();
  const { busy, error, run } = useRequest();
  const decline = () => run(() => groups.decline(groupid));
  const accept = () => run(async () => route.open(await groups.accept(groupid)), { 22: t.banned });
  return (
    <div class="strip">
      <span>{error || t.invitedBy(byname, groupname)}</span>
      <button type="button" class="quiet" disabled={busy} onClick={() => void decline()}>{t.decline}</button>
      <button type="button" class="primary" disabled={busy} onClick={() => void accept()}>{t.join}</button>
    </div>
  );
}
