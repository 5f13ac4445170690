/** Who may see what: the one condition of SQL that everything goes by which names a message. */

/** That the user may see the message `m`, which is a text; `user` is a placeholder of the statement. */
export function visibleTo(user: string): string {
  return `(m.kind = 0 AND (m.toid = ${user} OR m.toid IS NOT NULL AND m.sender = ${user}
    OR EXISTS (SELECT 1 FROM groupuser v WHERE v.groupid = m.groupid AND v.userid = ${user} AND v.sees <= m.id)))`;
}
