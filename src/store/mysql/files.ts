// Files. Whoever changes rows of several of these tables takes them in one order: gone, file by id, kept.

import { type FileId, type FileInfo, type FileStore, type FileTold, type NewFile, PICTURES, sizeKept, type StoredFile } from "../files.ts";
import type { UserId } from "../store.ts";
import type { Link } from "./link.ts";
import type { Pool } from "./pool.ts";
import { deleting, literal, lockOrder, marks, numbers, padded, pieces } from "./sql.ts";

export function files(db: Pool): FileStore {
  return {
    async kept(userId) {
      const [row] = await db.read<{ bytes: number }>("SELECT bytes FROM kept WHERE userid = ?", [userId]);
      return row?.bytes ?? 0;
    },

    async reservePlace(place, at) {
      await db.write("INSERT INTO gone (place, at) VALUES (?, ?)", [place, at]);
    },

    async addFile(file, quota) {
      return await adding(db, file.owner, async (tx) => {
        await tx.rows("SELECT place FROM gone WHERE place = ? FOR UPDATE", [file.place]);
        // Who removes that row waits, and then finds the one that is written here.
        const [shared] = await tx.rows<{ place: string }>("SELECT place FROM file WHERE hash = ? LIMIT 1 LOCK IN SHARE MODE", [file.hash]);
        const place = shared?.place ?? file.place;
        if (!shared) await tx.change("DELETE FROM gone WHERE place = ?", [place]);
        return { id: await insert(tx, { ...file, place }, quota), place };
      });
    },

    async findFile(urlkey) {
      const rows = await db.read<StoredFile>(`SELECT ${STORED} FROM file WHERE urlkey = ?`, [urlkey]);
      return rows[0];
    },

    async copyFile(of, copy, quota) {
      const [found] = await db.read<{ id: FileId }>("SELECT id FROM file WHERE urlkey = ?", [of]);
      if (!found) return "GONE";
      return await adding(db, copy.owner, async (tx) => {
        // As above. By its number, as those who remove it.
        const [file] = await tx.rows<StoredFile>(`SELECT ${STORED} FROM file WHERE id = ? LOCK IN SHARE MODE`, [found.id]);
        if (!file) return "GONE";
        return { ...file, id: await insert(tx, { ...file, ...copy }, quota) };
      });
    },

    async expireFiles(before, limit) {
      const found = await db.read<{ id: FileId }>("SELECT id FROM file WHERE used = 0 AND created < ? LIMIT ?", [before, String(limit)]);
      if (found.length === 0) return 0;
      return await db.transaction((tx) => removeFiles(tx, found.map(({ id }) => id), "AND used = 0"));
    },

    async gonePlaces(now, limit) {
      return await db.transaction(async (tx) => {
        const rows = await tx.rows<{ place: string }>("SELECT place FROM gone WHERE at <= ? LIMIT ? FOR UPDATE", [now, String(limit)]);
        if (rows.length === 0) return [];
        const places = padded(rows.map(({ place }) => place));
        // Looked at under the lock: whoever removes a row has taken that of its place before.
        const found = await tx.rows<{ place: string }>(`SELECT DISTINCT place FROM file WHERE place IN (${marks(places.length)})`, places);
        const named = new Set(found.map(({ place }) => place));
        for (const place of named) await tx.change("DELETE FROM gone WHERE place = ?", [place]);
        return rows.flatMap(({ place }) => named.has(place) ? [] : [place]);
      });
    },

    async forgetPlaces(places) {
      for (const piece of pieces(places)) await db.remove(deleting("gone", ["place"], piece.map((place) => [place])));
    },
  };
}

const STORED = "id, name, type, size, width, height, hash, place";

/** Rolls the transaction back. */
class OverQuota extends Error {}

/** A transaction that adds to what is the owner's. */
async function adding<T>(db: Pool, owner: UserId, work: (tx: Link) => Promise<T>): Promise<T | "FULL"> {
  // So that there is a row to lock.
  await db.write("INSERT IGNORE INTO kept (userid, bytes) VALUES (?, 0)", [owner]);
  return await db.transaction(work).catch((error) => {
    if (error instanceof OverQuota) return "FULL";
    throw error;
  });
}

/** Writes a row, and counts what it takes. */
async function insert(tx: Link, { owner, hash, name, type, size, width, height, place, urlkey, created }: NewFile, quota: number): Promise<FileId> {
  const { insertId } = await tx.change(
    "INSERT INTO file (owner, hash, name, type, size, width, height, place, urlkey, created, used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
    [owner, hash, name, type, size, width, height, place, urlkey, created],
  );
  const more = sizeKept(size);
  const { affectedRows } = await tx.change("UPDATE kept SET bytes = bytes + ? WHERE userid = ? AND bytes + ? <= ?", [more, owner, more, quota]);
  if (affectedRows === 0) throw new OverQuota();
  return insertId;
}

/** A file that nothing has used. */
export interface UnusedFile extends FileInfo {
  owner: UserId;
  urlkey: string;
}

/** The columns of an {@linkcode UnusedFile}. */
export const UNUSED_FILE: readonly (keyof UnusedFile)[] = ["id", "owner", "name", "type", "size", "width", "height", "urlkey"];

/** The statements by which a message has these files from now on. */
export function usingFiles({ messageid, files }: { messageid: number; files: FileTold[] | undefined }): string[] {
  return files === undefined ? [] : [
    `UPDATE message SET files = ${literal(JSON.stringify(files))} WHERE id = ${numbers([messageid])}`,
    `UPDATE file SET used = 1, messageid = ${numbers([messageid])} WHERE id IN (${numbers(files.map(({ id }) => id))})`,
  ];
}

/** Makes a picture of the user's own theirs, or none (null). @returns whether it is one, and nothing has used it */
export async function setAvatar(tx: Link, userId: UserId, avatar: FileId | null): Promise<boolean> {
  const [row] = await tx.rows<{ avatar: FileId | null }>("SELECT avatar FROM user WHERE id = ? AND deleted = 0 FOR UPDATE", [userId]);
  if (!row || row.avatar === avatar) return true;
  if (avatar !== null) {
    const sql = `UPDATE file SET used = 1 WHERE id = ? AND owner = ? AND used = 0 AND type IN (${marks(PICTURES.length)})`;
    if ((await tx.change(sql, [avatar, userId, ...PICTURES])).affectedRows === 0) return false;
  }
  await tx.change("UPDATE user SET avatar = ? WHERE id = ?", [avatar, userId]);
  if (row.avatar !== null) await removeFiles(tx, [row.avatar]);
  return true;
}

/** The files of these messages go; their rows are locked. */
export async function removeFilesOf(tx: Link, messageids: number[]): Promise<void> {
  const [rows] = await tx.script([`SELECT id FROM file WHERE messageid IN (${numbers(messageids)})`]) as { id: FileId }[][];
  if (rows.length > 0) await removeFiles(tx, rows.map(({ id }) => id));
}

/** The rows of these files go, if they are there and `and` holds; their bytes follow. @returns how many */
export async function removeFiles(tx: Link, ids: FileId[], and = ""): Promise<number> {
  const list = padded(lockOrder(ids));
  const where = `WHERE id IN (${marks(list.length)})`;
  const places = await tx.rows<{ place: string }>(`SELECT place FROM file ${where}`, list);
  for (const place of [...new Set(places.map(({ place }) => place))].sort()) {
    await tx.change("INSERT INTO gone (place, at) VALUES (?, 0) ON DUPLICATE KEY UPDATE at = 0", [place]);
  }
  const rows = await tx.rows<{ id: FileId; owner: UserId; size: number }>(
    `SELECT id, owner, size FROM file ${where} ${and} ORDER BY id FOR UPDATE`,
    list,
  );
  if (rows.length === 0) return 0;
  await tx.script([deleting("file", ["id"], rows.map(({ id }) => [id]))]);
  for (const owner of lockOrder(rows.map(({ owner }) => owner))) {
    const size = rows.filter((row) => row.owner === owner).reduce((sum, { size }) => sum + sizeKept(size), 0);
    await tx.change("UPDATE kept SET bytes = bytes - ? WHERE userid = ?", [size, owner]);
  }
  return rows.length;
}
