/**
 * The folder in which the bytes of files stand; several nodes may share it. Which of them are whose, the database knows (the rules stand in store/files.ts).
 *
 * 1. Bytes are written into `incoming/`, synced, and then renamed to their place: what stands at a place is whole, whatever dies.
 * 2. A place is `ab/HASH-WORD`: the SHA-256 of the bytes, and a word that makes it the only one of that name for ever.
 * 3. What stands in `incoming/` for more than a day was left by a process that died.
 */
import { inTurn, othersUse } from "../async/disk.ts";
import { laterTurn, spent } from "../async/loop.ts";
import { nodeCrypto } from "../node.ts";
import { BrokenOff, type Bytes, type HttpRequest } from "../net/exchange.ts";
import { StoreRefused } from "../store/store.ts";

/** Bytes that are written at once; that are read at once. Each time another thread does it, and both wait for one another. */
const WRITE_SIZE = 524_288, READ_SIZE = 262_144;
/** Pieces of a file that may wait to be written: on a busy machine the thread that writes has to wait for its turn, too. */
const MOST_UNWRITTEN = 3;
/** Bytes that a sync is begun for, while others use the disk and while nobody does, and that may wait for one: what the database writes waits behind them. */
const SMALL_SYNC = 524_288, SYNC = 1_048_576, MOST_UNSYNCED = 8 * SYNC;

/** The disk has no room. */
export class DiskFull extends Error {
  /** By which it is told from other errors. */
  override name = "DiskFull";
}

/** Bytes that are in, and not at their place yet. */
export interface Received {
  /** The file that they stand in, synced. */
  readonly path: string;
  /** Where they belong. */
  readonly place: string;
  /** SHA-256, in hexadecimal. */
  readonly hash: string;
}

/** A folder for files. */
export class Folder {
  readonly #path: string;
  readonly #incoming: string;

  private constructor(path: string) {
    this.#path = path;
    this.#incoming = `${path}/incoming`;
  }

  /** Makes the folder if it is not there. Throws {@linkcode StoreRefused} if it cannot be used: it may be another time, as when its disk is full or not there yet. */
  static async open(path: string): Promise<Folder> {
    const folder = new Folder(path);
    try {
      await Deno.mkdir(folder.#incoming, { recursive: true, mode: 0o700 });
      await Deno.remove(await Deno.makeTempFile({ dir: folder.#incoming }));
    } catch (error) {
      throw new StoreRefused(`--files: the folder ${path} cannot be written to: ${(error as Error).message}`);
    }
    return folder;
  }

  /** Bytes that the disk has room for; Infinity where the system does not tell. */
  async free(): Promise<number> {
    try {
      // Loaded when it is first used: it would be a quarter of the time to start.
      const { statfs } = await import("node:fs/promises");
      const { bavail, bsize } = await statfs(this.#path);
      return bavail * bsize;
    } catch {
      return Infinity;
    }
  }

  /**
   * Takes bytes in, a buffer at a time. Throws {@linkcode DiskFull}, or what `body` throws; then nothing is left.
   */
  async receive(body: HttpRequest["body"]): Promise<Received> {
    const word = nodeCrypto().randomBytes(8).toString("hex");
    const path = `${this.#incoming}/${word}`;
    const hash = nodeCrypto().createHash("sha256");
    try {
      await using file = await Outgoing.create(path);
      for await (const piece of body(() => file.buffer())) {
        if (spent()) await laterTurn();
        hash.update(piece);
        file.write(piece);
      }
      await file.sync();
    } catch (error) {
      await Deno.remove(path).catch(unlessNotFound(undefined));
      const { code } = error as { code?: string };
      throw code === "ENOSPC" || code === "EDQUOT" ? new DiskFull("the disk is full", { cause: error }) : error;
    }
    const digest = hash.digest("hex");
    return { path, hash: digest, place: `${digest.slice(0, 2)}/${digest}-${word}` };
  }

  /** Puts received bytes at their place, or another one, for good. */
  async put({ path }: Pick<Received, "path">, place: string): Promise<void> {
    const folder = `${this.#path}/${place.slice(0, 2)}`;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    await Deno.rename(path, `${this.#path}/${place}`);
    if (Deno.build.os !== "windows") { for (const changed of [folder, this.#path]) await syncFolder(changed); }
  }

  /** Removes received bytes. */
  async discard({ path }: Received): Promise<void> {
    await Deno.remove(path);
  }

  /** The path of what stands at a place. */
  pathOf(place: string): string {
    return `${this.#path}/${place}`;
  }

  /** Whether bytes stand at a place. */
  async has(place: string): Promise<boolean> {
    return await Deno.stat(this.pathOf(place)).then(() => true, unlessNotFound(false));
  }

  /** So many bytes of a place, a piece at a time. Throws {@linkcode BrokenOff} if they are gone. A piece is good until the next one is asked for: fresh ones would be memory that nobody gives back in time. */
  async *read(place: string, from: number, length: number): AsyncGenerator<Uint8Array> {
    using file = await Deno.open(this.pathOf(place)).catch(unlessNotFound(undefined));
    if (!file) throw new BrokenOff("the file was removed meanwhile");
    if (from > 0) await file.seek(from, Deno.SeekMode.Start);
    const piece = new Uint8Array(Math.min(READ_SIZE, length));
    for (let left = length; left > 0;) {
      const read = await file.read(piece.subarray(0, left));
      if (read === null) throw new Error(`${place} is shorter than its row says`);
      left -= read;
      yield piece.subarray(0, read);
    }
  }

  /** Removes what stands at a place, if anything does. */
  async remove(place: string): Promise<void> {
    await Deno.remove(this.pathOf(place)).catch(unlessNotFound(undefined));
  }

  /** Removes what is in `incoming/` since before `before` (ms). Throws, when it is through, what kept one from going. */
  async sweep(before: number): Promise<void> {
    const failures: unknown[] = [];
    for await (const { name } of Deno.readDir(this.#incoming)) {
      const path = `${this.#incoming}/${name}`;
      // Another node may be faster.
      const { mtime } = await Deno.stat(path).catch(unlessNotFound({ mtime: null }));
      if (mtime && mtime.getTime() < before) await Deno.remove(path).catch(unlessNotFound(undefined)).catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** A new file that is written and synced while its next bytes come. */
class Outgoing implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  /** What one file is asked for it does one after the other: another one of the same bytes syncs. */
  readonly #syncing: Deno.FsFile;
  #written = Promise.resolve();
  /** Each resolves with a buffer when what was in it is written: the oldest first. */
  readonly #buffers: Promise<Bytes>[] = [];
  #unwritten = 0;
  #synced: Promise<void> | undefined;
  /** Bytes that no sync has begun for. */
  #unsynced = 0;

  private constructor(file: Deno.FsFile, syncing: Deno.FsFile) {
    this.#file = file;
    this.#syncing = syncing;
  }

  static async create(path: string): Promise<Outgoing> {
    const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    try {
      return new Outgoing(file, await Deno.open(path, { write: true }));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** One for the next piece, as soon as there may be one; what comes slowly has but two. Rejects with what the disk said of a piece before. */
  async buffer(): Promise<Bytes> {
    const free = this.#buffers.length > this.#unwritten;
    return free || this.#unwritten === MOST_UNWRITTEN ? await this.#buffers.shift()! : new Uint8Array(WRITE_SIZE);
  }

  /** Writes what stands in a buffer of {@linkcode buffer}. */
  write(piece: Bytes): void {
    this.#unwritten++;
    this.#written = this.#written.then(() => this.#write(piece)).finally(() => this.#unwritten--);
    const buffer = this.#written.then(() => piece);
    // Whoever has to know waits for it later.
    buffer.catch(() => {});
    this.#buffers.push(buffer);
  }

  /** Resolves when all is on the disk. */
  async sync(): Promise<void> {
    await this.#written;
    await this.#synced;
    await inTurn(() => this.#file.sync());
  }

  async #write(piece: Uint8Array): Promise<void> {
    if (othersUse() || this.#unsynced >= MOST_UNSYNCED) await this.#synced;
    for (let at = 0; at < piece.length;) at += await this.#file.write(piece.subarray(at));
    this.#unsynced += piece.length;
    if (this.#unsynced < (othersUse() ? SMALL_SYNC : SYNC) || this.#synced) return;
    const synced = inTurn(() => {
      this.#unsynced = 0;
      return this.#syncing.syncData();
    });
    this.#synced = synced;
    synced.then(() => this.#synced = undefined, () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#written, this.#synced]);
    this.#file.close();
    this.#syncing.close();
  }
}

function unlessNotFound<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Deno.errors.NotFound) return value;
    throw error;
  };
}

async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}
