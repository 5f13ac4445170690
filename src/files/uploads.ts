/**
 * Taking files in: what may come at all, then the bytes, then the row (the rules stand in store/files.ts). Of what is here already, the row alone.
 *
 * What an upload may still bring counts as taken already, both of the disk and of its user's number of uploads; so many that begin at once do not get past a limit.
 */
import { nodeCrypto } from "../node.ts";
import type { HttpRequest } from "../net/exchange.ts";
import { log } from "../ops/log.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import { type FileInfo, type FileStore, sizeKept } from "../store/files.ts";
import type { QuotaStore } from "../store/quota.ts";
import type { UserId } from "../store/store.ts";
import { DiskFull, type Folder, type Received } from "./folder.ts";
import { imageSize } from "./image_size.ts";
import { cleanName } from "./name.ts";
import { HEAD, typeOf } from "./type.ts";

/** So much of the disk stays free (bytes): the database needs it. */
const KEPT_FREE = 1024 ** 3;
/** Uploads of a user at the same time. */
const UPLOADS_AT_ONCE = 4;
/** Bytes whose row has not come after so long are removed (ms). */
const ROW_MS = 3600_000;

/** Why a file is not taken. */
export type Refused = "MANY" | "QUOTA" | "DISK";

/** What uploads need. */
export interface UploadsParts {
  /** Where rows are written. */
  store: FileStore & Pick<QuotaStore, "textKept">;
  /** Where bytes are written. */
  folder: Folder;
  /** What time it is. */
  time: TrustedTime;
  /** `--user-quota` (bytes). */
  quota: number;
}

/** Takes files in. */
export class Uploads {
  readonly #parts: UploadsParts;
  /** By user: how many are under way. */
  readonly #under = new Map<UserId, number>();
  /** Called at the end of the next one. */
  readonly #ended: (() => void)[] = [];
  /** What those that are under way may bring (bytes). */
  #coming = 0;

  /** Nothing is under way. */
  constructor(parts: UploadsParts) {
    this.#parts = parts;
  }

  /**
   * Takes a file of `size` bytes. `body` is called if it may come; throws what the bytes' source throws, {@linkcode StoreUnavailable} or what the disk says.
   * Then nothing is left, or it goes by itself.
   */
  async take(owner: UserId, name: string, size: number, body: HttpRequest["body"]): Promise<FileInfo | Refused> {
    const under = this.#under.get(owner) ?? 0;
    if (under >= UPLOADS_AT_ONCE) return "MANY";
    this.#under.set(owner, under + 1);
    this.#coming += size;
    try {
      const { store, folder } = this.#parts;
      if (await store.kept(owner) + sizeKept(size) > await this.#room(owner)) return "QUOTA";
      if (await folder.free() - this.#coming < KEPT_FREE) return "DISK";
      return await this.#keep(owner, cleanName(name), size, await folder.receive(body));
    } catch (error) {
      if (!(error instanceof DiskFull)) throw error;
      log.error("a file was refused: the disk is full", { error });
      return "DISK";
    } finally {
      this.#coming -= size;
      const left = this.#under.get(owner)! - 1;
      if (left > 0) this.#under.set(owner, left);
      else this.#under.delete(owner);
      for (const resolve of this.#ended.splice(0)) resolve();
    }
  }

  /** Makes another file of that of an address, of this owner: its bytes stay where they are. Throws {@linkcode StoreUnavailable}. @returns GONE: it is not there, or not any more */
  async copy(owner: UserId, of: string): Promise<FileInfo | "QUOTA" | "GONE"> {
    const { store, folder, time } = this.#parts;
    const file = await store.findFile(of);
    if (!file || !await folder.has(file.place)) return "GONE";
    const copied = await store.copyFile(of, { owner, urlkey: newKey(), created: time.now() }, await this.#room(owner));
    return copied === "FULL" ? "QUOTA" : copied;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#under.size > 0) await new Promise<void>((resolve) => this.#ended.push(resolve));
  }

  /** What a user's files may take: what their texts leave of it (bytes). */
  async #room(owner: UserId): Promise<number> {
    return this.#parts.quota - await this.#parts.store.textKept(owner);
  }

  async #keep(owner: UserId, name: string, size: number, received: Received): Promise<FileInfo | Refused> {
    const { store, folder, time } = this.#parts;
    const { hash, place } = received;
    let known: Omit<FileInfo, "id">;
    try {
      known = { name, size, ...await look(received.path) };
      await store.reservePlace(place, time.now() + ROW_MS);
    } catch (error) {
      await folder.discard(received);
      throw error;
    }
    await folder.put(received, place);
    const added = await store.addFile({ owner, hash, place, urlkey: newKey(), created: time.now(), ...known }, await this.#room(owner));
    if (added === "FULL") {
      await folder.remove(place);
      await store.forgetPlaces([place]);
      return "QUOTA";
    }
    if (added.place !== place) {
      // The bytes were there already; or they are lost, where the folder was put back from an older copy than the database, and come back now.
      if (await folder.has(added.place)) await folder.remove(place);
      else await folder.put({ path: folder.pathOf(place) }, added.place);
      await store.forgetPlaces([place]);
    }
    return { id: added.id, ...known };
  }
}

/** What an address ends with. */
function newKey(): string {
  return nodeCrypto().randomBytes(16).toString("base64url");
}

/** What a file is, by what is in it. */
async function look(path: string): Promise<Pick<FileInfo, "type" | "width" | "height">> {
  using file = await Deno.open(path);
  const read = async (at: number, length: number) => {
    await file.seek(at, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    const n = await file.read(bytes) ?? 0;
    return bytes.subarray(0, n);
  };
  const type = typeOf(await read(0, HEAD));
  const size = await imageSize(type, read);
  return { type, width: size?.width ?? null, height: size?.height ?? null };
}
