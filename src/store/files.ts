/**
 * What the database knows of files; their bytes stand in a folder (`src/files`).
 *
 * 1. A row names only what stands there whole. The bytes come first, the row after; the row goes first, the bytes after.
 * 2. Bytes stand at a place. No place is ever given twice: once the last row that names one is gone, no row will name it again.
 * 3. A place is in the table `gone` from before its bytes are put there until a row names it, and from when a row that named it went until its bytes have. So
 *    whatever a crash leaves is found there, and nothing needs to be looked for in the folder.
 * 4. Who uploads what is there already, or has a file anew, shares its place; that is decided where the row is written, under the lock of a row that names it.
 * 5. `kept` is what a user's files take, by {@linkcode sizeKept}. It changes with the rows, in the same transaction.
 */
import { nodeBuffer } from "../node.ts";
import type { UserId } from "./store.ts";

/** A file's number. */
export type FileId = number;

/** What is told of a file. */
export interface FileInfo {
  /** Its number. */
  id: FileId;
  /** As it is called (wire/names.ts does not hold for it: `src/files/name.ts`). */
  name: string;
  /** What its bytes are, as a media type. */
  type: string;
  /** Bytes. */
  size: number;
  /** Of an image, as it is shown (pixels); null if they are not known. */
  width: number | null;
  /** The same. */
  height: number | null;
}

/** A file that was uploaded. */
export interface NewFile extends Omit<FileInfo, "id"> {
  /** Whose it is. */
  owner: UserId;
  /** SHA-256 of its bytes, in hexadecimal. */
  hash: string;
  /** Where they stand. {@linkcode FileStore.reservePlace} came before. */
  place: string;
  /** What its address ends with; cannot be guessed. */
  urlkey: string;
  /** When (ms). */
  created: number;
}

/** A file as it is served. */
export interface StoredFile extends FileInfo {
  /** SHA-256 of its bytes, in hexadecimal. */
  hash: string;
  /** Where they stand. */
  place: string;
}

/** What is told of a file in a message. */
export interface FileTold {
  /** Its number. */
  id: FileId;
  /** As it is called. */
  name: string;
  /** What its bytes are, as a media type. */
  type: string;
  /** Bytes. */
  size: number;
  /** Of an image, as it is shown (pixels), if it is known. */
  width?: number;
  /** The same. */
  height?: number;
  /** Where it is, on the server's own HTTP port. */
  url: string;
}

/** Where files are. */
export const FILES_PATH = "/files";
/** What is told of one has no more bytes than that. */
const TOLD_BYTES = 1024;

/** What is told of a file in a message. */
export function toldOf({ id, name, type, size, width, height, urlkey }: FileInfo & { urlkey: string }): FileTold {
  const sides = width === null || height === null ? {} : { width, height };
  return { id, name, type, size, ...sides, url: `${FILES_PATH}/${urlkey}` };
}

/** Media types of pictures. */
export const PICTURES: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

/** What is told of a user's picture. */
export function avatarOf(urlkey: string | null): { avatar?: string } {
  return urlkey === null ? {} : { avatar: `${FILES_PATH}/${urlkey}` };
}

/** What a message's row says of its files. */
export function filesOf(column: string | null): { files?: FileTold[] } {
  return column === null ? {} : { files: JSON.parse(column) };
}

/** What a message takes of an answer: its text, and what is told of its files (bytes). */
export function sizeOf({ msg, files }: { msg?: string | undefined; files?: readonly FileTold[] | undefined }): number {
  return (msg === undefined ? 0 : nodeBuffer().Buffer.byteLength(msg)) + (files?.length ?? 0) * TOLD_BYTES;
}

/** A file takes a block of the disk at least, and a row. */
const LEAST_KEPT = 4096;

/** What a file of so many bytes counts for. */
export function sizeKept(size: number): number {
  return Math.max(size, LEAST_KEPT);
}

/** The part of the store that is files; the rules of the store hold for it. */
export interface FileStore {
  /** What the user's files take (bytes). */
  kept(userId: UserId): Promise<number>;
  /** Bytes are about to stand at this place. If no row names it at `at` (ms), they go. */
  reservePlace(place: string, at: number): Promise<void>;
  /** Writes the row. @returns its number, and where the bytes stand: at another place if they were there already, and the one that was reserved stays so; FULL: the user would have more than `quota` */
  addFile(file: NewFile, quota: number): Promise<{ id: FileId; place: string } | "FULL">;
  /** The file of this address; undefined: there is none, or none any more. */
  findFile(urlkey: string): Promise<StoredFile | undefined>;
  /** Writes a row like that of the file of address `of`, at the same place, for a message of whoever `copy` says. @returns what is told of it; GONE: there is no such file, or none any more; FULL: as above */
  copyFile(of: string, copy: Pick<NewFile, "owner" | "urlkey" | "created">, quota: number): Promise<FileInfo | "GONE" | "FULL">;
  /** The rows of up to `limit` files that nothing has used, from before `before` (ms), go. @returns how many */
  expireFiles(before: number, limit: number): Promise<number>;
  /** Up to `limit` places whose bytes are to go at `now` (ms): no row names them, and none will. */
  gonePlaces(now: number, limit: number): Promise<string[]>;
  /** The bytes at these places are gone. */
  forgetPlaces(places: string[]): Promise<void>;
}
