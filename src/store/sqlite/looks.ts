// What names look like: of those that look the same only one is given, among users and among groups.

import type { Database } from "./database.ts";

/** Whose names they are. */
export type Kind = "user" | "group";

/** Whether somebody has a name that looks like this. In `read` and `write`. */
export function isTaken(db: Database, kind: Kind, look: string): boolean {
  return db.row("SELECT 1 FROM look WHERE kind = ? AND look = ?", kind, look) !== undefined;
}

/** The name with this look is this one's now; {@linkcode isTaken} came before. In `write`. */
export function takeLook(db: Database, kind: Kind, look: string, id: number): void {
  db.run("INSERT INTO look (kind, look, id) VALUES (?, ?, ?)", kind, look, id);
}

/** What that one's name looked like is free again. In `write`. */
export function freeLook(db: Database, kind: Kind, id: number): void {
  db.run("DELETE FROM look WHERE kind = ? AND id = ?", kind, id);
}
