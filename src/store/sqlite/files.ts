import { type FileId, type FileStore, type FileTold, type NewFile, PICTURES, sizeKept, type StoredFile, toldOf } from "../files.ts";
import type { UserId } from "../store.ts";
import { COMMIT_COST, type Database } from "./database.ts";

/** The part of the store that is files. */
export function fileStore(db: Database): FileStore {
  return {
    kept: (userId) => db.read(() => db.row<[number]>("SELECT bytes FROM kept WHERE userid = ?", userId)?.[0] ?? 0),

    reservePlace: (place, at) => db.write(() => void db.run("INSERT INTO gone (place, at) VALUES (?, ?)", place, at)),

    addFile(file, quota) {
      return db.write(() => {
        const [shared] = db.row<[string]>("SELECT place FROM file WHERE hash = ? LIMIT 1", file.hash) ?? [];
        const place = shared ?? file.place;
        const id = insert(db, { ...file, place }, quota);
        if (id === "FULL") return id;
        if (shared === undefined) db.run("DELETE FROM gone WHERE place = ?", place);
        return { id, place };
      });
    },

    findFile: (urlkey) => db.read(() => find(db, urlkey)),

    copyFile(of, copy, quota) {
      return db.write(() => {
        const file = find(db, of);
        if (!file) return "GONE";
        const id = insert(db, { ...file, ...copy }, quota);
        return id === "FULL" ? id : { ...file, id };
      });
    },

    expireFiles(before, limit) {
      return db.write(() => {
        const ids = db.rows<[FileId]>("SELECT id FROM file WHERE used = 0 AND created < ? LIMIT ?", before, limit).flat();
        removeFiles(db, ids);
        return ids.length;
      }, COMMIT_COST);
    },

    async gonePlaces(now, limit) {
      const some = () => {
        const places = db.rows<[string]>("SELECT place FROM gone WHERE at <= ? ORDER BY at LIMIT ?", now, limit).flat();
        const gone = places.filter((place) => {
          const isGone = !db.row("SELECT 1 FROM file WHERE place = ?", place);
          if (!isGone) db.run("DELETE FROM gone WHERE place = ?", place);
          return isGone;
        });
        return { gone, more: gone.length === 0 && places.length === limit };
      };
      for (;;) {
        const { gone, more } = await db.write(some, COMMIT_COST);
        if (!more) return gone;
      }
    },

    forgetPlaces: (places) => db.write(() => places.forEach((place) => db.run("DELETE FROM gone WHERE place = ?", place)), places.length),
  };
}

function find(db: Database, urlkey: string): StoredFile | undefined {
  type Row = [FileId, string, string, number, number | null, number | null, string, string];
  const row = db.row<Row>("SELECT id, name, type, size, width, height, hash, place FROM file WHERE urlkey = ?", urlkey);
  if (!row) return undefined;
  const [id, name, type, size, width, height, hash, place] = row;
  return { id, name, type, size, width, height, hash, place };
}

/** Writes a row, and counts what it takes. In `write`. */
function insert(db: Database, { owner, hash, name, type, size, width, height, place, urlkey, created }: NewFile, quota: number): FileId | "FULL" {
  const keep = `INSERT INTO kept (userid, bytes) SELECT ?1, ?2 WHERE ?2 <= ?3
    ON CONFLICT (userid) DO UPDATE SET bytes = bytes + ?2 WHERE bytes + ?2 <= ?3`;
  if (db.run(keep, owner, sizeKept(size), quota) === 0) return "FULL";
  const sql = `INSERT INTO file (owner, hash, name, type, size, width, height, place, urlkey, created, used)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`;
  return db.insert(sql, owner, hash, name, type, size, width, height, place, urlkey, created)!;
}

/** What is told of these files, if all of them are there, are the owner's, and nothing has used them. In `write`. */
export function unusedFiles(db: Database, owner: UserId, ids: readonly FileId[]): FileTold[] | undefined {
  type Row = [id: FileId, name: string, type: string, size: number, width: number | null, height: number | null, urlkey: string];
  const sql = "SELECT id, name, type, size, width, height, urlkey FROM file WHERE id = ? AND owner = ? AND used = 0";
  const told: FileTold[] = [];
  for (const wanted of ids) {
    const row = db.row<Row>(sql, wanted, owner);
    if (!row) return undefined;
    const [id, name, type, size, width, height, urlkey] = row;
    told.push(toldOf({ id, name, type, size, width, height, urlkey }));
  }
  return told;
}

/** A message has these files from now on. In `write`. */
export function useFiles(db: Database, messageid: number, files: readonly FileTold[]): void {
  for (const { id } of files) db.run("UPDATE file SET used = 1, messageid = ? WHERE id = ?", messageid, id);
}

/** Makes a picture of the user's own theirs, or none (null). @returns whether it is one, and nothing has used it. In `write`. */
export function setAvatar(db: Database, userId: UserId, avatar: FileId | null): boolean {
  const [old] = db.row<[FileId | null]>("SELECT avatar FROM user WHERE id = ? AND deleted = 0", userId) ?? [avatar];
  if (old === avatar) return true;
  if (avatar !== null) {
    const sql = `UPDATE file SET used = 1 WHERE id = ? AND owner = ? AND used = 0 AND type IN (${PICTURES.map(() => "?").join()})`;
    if (db.run(sql, avatar, userId, ...PICTURES) === 0) return false;
  }
  db.run("UPDATE user SET avatar = ? WHERE id = ?", avatar, userId);
  if (old !== null) removeFiles(db, [old]);
  return true;
}

/** The files of a message go. In `write`. */
export function removeFilesOf(db: Database, messageid: number): void {
  removeFiles(db, db.rows<[FileId]>("SELECT id FROM file WHERE messageid = ?", messageid).flat());
}

/** The rows of these files go; their bytes follow. Only in `write`. */
export function removeFiles(db: Database, ids: FileId[]): void {
  for (const id of ids) {
    const [owner, size, place] = db.row<[UserId, number, string]>("SELECT owner, size, place FROM file WHERE id = ?", id)!;
    db.run("INSERT INTO gone (place, at) VALUES (?, 0) ON CONFLICT (place) DO UPDATE SET at = 0", place);
    db.run("DELETE FROM file WHERE id = ?", id);
    db.run("UPDATE kept SET bytes = bytes - ? WHERE userid = ?", sizeKept(size), owner);
  }
}
