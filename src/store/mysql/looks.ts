// What names look like: of those that look the same only one is given, among users and among groups. The table's key decides.

import { Buffer } from "node:buffer";
import { literal, numbers } from "./sql.ts";

/** Whose names they are. */
export type Kind = "user" | "group";

/** The statement by which the name with this look is that one's; `id` is SQL. It fails as a duplicate if another's name looks the same. */
export function takingLook(kind: Kind, look: string, id: string): string {
  return `INSERT INTO look (kind, look, id) VALUES ('${kind}', ${literal(Buffer.from(look))}, ${id})`;
}

/** The statement by which what that one's name looked like is free again. By that key: of few names all would be locked. */
export function freeingLook(kind: Kind, id: number): string {
  return `DELETE look FROM look FORCE INDEX (look_id) WHERE kind = '${kind}' AND id = ${numbers([id])}`;
}
