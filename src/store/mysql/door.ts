// How users come to be: by themselves, or by an invitation.

import { Buffer } from "node:buffer";
import type { Store, UserId } from "../store.ts";
import { isDuplicate } from "./errors.ts";
import type { Link } from "./link.ts";
import { takingLook } from "./looks.ts";
import type { Pool } from "./pool.ts";
import { literal } from "./sql.ts";
import { lockUsers } from "./users.ts";

type Door = Pick<Store, "createUser" | "createInvited" | "isInvited" | "addInvite" | "expireInvites">;

interface NewUser {
  name: string;
  key: string;
  password: string;
  look: string;
}

/** Those that let into the server, with a code, at a time. */
const INVITED = "hash = ? AND groupid IS NULL AND uses > 0 AND expires > ?";

export function door(db: Pool): Door {
  /** Begins with these statements, makes the user, and commits. @returns undefined: the name, or what it looks like, is taken; nothing was changed. */
  async function create(tx: Link, committing: () => void, first: string[], { name, key, password, look }: NewUser): Promise<UserId | undefined> {
    const user = `INSERT INTO user (name, namekey, password) VALUES (${literal(name)}, ${literal(Buffer.from(key))}, ${literal(password)})`;
    try {
      const results = await tx.script([...first, user, takingLook("user", look, "LAST_INSERT_ID()")]) as { insertId: number }[];
      committing();
      await tx.command("COMMIT");
      return results[first.length].insertId;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      await tx.command("ROLLBACK");
      return undefined;
    }
  }

  return {
    async createUser(name, key, password, look = key) {
      return await db.ownTransaction((tx, committing) => create(tx, committing, ["START TRANSACTION"], { name, key, password, look }));
    },

    async createInvited(invite, now, user) {
      return await db.ownTransaction(async (tx, committing) => {
        await tx.command("START TRANSACTION");
        // Whoever else comes by this code waits for the row, and then sees what is left.
        const { affectedRows } = await tx.change(`UPDATE invite SET uses = uses - 1 WHERE ${INVITED}`, [Buffer.from(invite), now]);
        if (affectedRows === 0) {
          await tx.command("ROLLBACK");
          return "NOT_INVITED";
        }
        return await create(tx, committing, [`DELETE FROM invite WHERE hash = ${literal(invite)} AND uses <= 0`], user) ?? "INVALID";
      });
    },

    async isInvited(invite, now) {
      return (await db.read(`SELECT 1 FROM invite WHERE ${INVITED}`, [Buffer.from(invite), now])).length > 0;
    },

    async addInvite({ hash, inviter, uses, expires }, now, most) {
      return await db.transaction(async (tx) => {
        if (inviter !== undefined) {
          // Two that are made at once are counted one after the other.
          if (!(await lockUsers(tx, [inviter])).has(inviter)) return "FULL";
          const sql = "SELECT COUNT(*) AS n FROM invite WHERE inviter = ? AND groupid IS NULL AND expires > ?";
          const [{ n }] = await tx.rows<{ n: number }>(sql, [inviter, now]);
          if (n >= most) return "FULL";
        }
        await tx.change("INSERT INTO invite (hash, inviter, uses, expires) VALUES (?, ?, ?, ?)", [Buffer.from(hash), inviter ?? null, uses, expires]);
        return "OK";
      });
    },

    async expireInvites(now, limit) {
      const expired = () => db.write("DELETE FROM invite WHERE expires <= ? LIMIT ?", [now, String(limit)]);
      while ((await expired()).affectedRows === limit);
    },
  };
}
