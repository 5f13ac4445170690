/**
 * The newest messages of the last conversations, as the browser keeps them (IndexedDB), so that there is something to read without a network.
 *
 * Rules:
 *
 * 1. They are of one user at a time: what another one left goes with the first that is written, and all of it with {@linkcode KeptLines.forget}.
 * 2. What is written goes in one transaction with the place in the user's log up to which it is right (`seq`). Whoever has handled more of the log than that may
 *    have been told that a message is deleted which is here: then it is good for reading only until the server is there.
 * 3. Whatever fails, the page works, and keeps nothing.
 */
import { ConnectionLost, type ConnectionState, type Snapshot } from "../../client/natter_client.ts";
import type { Conversation, Key, Line } from "./model.ts";
import { sorted } from "./store.ts";

/** So many conversations are kept, those that moved last, and so many messages of each, the newest. */
const CONVERSATIONS = 50, LINES = 50;
/** How long the browser may take to give what it has (ms): the user waits for the page. Whoever comes without it has it no more: a busy browser has its time. */
const READ_WITHIN = 5000;
/** Another shape of what is kept is another version: what has an older one goes. */
const VERSION = 1, DATABASE = "natter", STORE = "kept";
/** Whose it is, and {@linkcode Place}. */
const PLACE = "place";

/** Up to where in the log of which database it is right. */
type Place = Pick<Snapshot, "id" | "seq" | "epoch">;
/** Messages of a conversation, a run without a gap as far as is known. */
type Run = Pick<Conversation, "lines" | "moreafter">;

export interface Kept extends Place {
  runs: ReadonlyMap<Key, Run>;
}

/** The conversations of which messages are kept. */
export function lastOnes(conversations: ReadonlyMap<Key, Conversation>): Conversation[] {
  return sorted(conversations).filter(({ lines }) => lines.length > 0).slice(0, CONVERSATIONS);
}

/** A conversation whose messages may be out of date: what the server says takes their place. */
export function asKept(c: Conversation): Conversation {
  const { lines, moreafter } = c;
  if (lines.length === 0) return c;
  return {
    ...c,
    lines: lines.length > LINES ? lines.slice(-LINES) : lines,
    moreafter,
    more: true,
    kept: true,
    history: "unknown",
    older: "idle",
    newer: "idle",
  };
}

/** Whether the server has signed this browser out, as when its device is removed: then nothing of what was said is to be kept. */
export function isSignedOut(connection: ConnectionState): connection is Extract<ConnectionState, { state: "closed" }> {
  if (connection.state !== "closed") return false;
  if (connection.reason === "refused") return true;
  return connection.reason === "goodbye" && connection.error instanceof ConnectionLost && connection.error.goodbye?.reason === "kicked";
}

export class KeptLines {
  readonly #opened = open();
  #database: IDBDatabase | undefined;
  /** What is there, by what it was made of; undefined: that is not known, or another user's. */
  #written: Map<Key, readonly Line[]> | undefined;
  #place: Place | undefined;

  constructor() {
    void this.#opened.then((database) => this.#database = database);
  }

  /** What is kept of this user. Undefined: nothing that is good. */
  async read(id: number): Promise<Kept | undefined> {
    this.#written = undefined;
    const late = new Promise<undefined>((resolve) => setTimeout(resolve, READ_WITHIN));
    const kept = await Promise.race([this.#opened.then(all).catch(() => undefined), late]);
    if (kept?.id !== id) return undefined;
    this.#written = new Map(Array.from(kept.runs, ([key, { lines }]) => [key, lines]));
    this.#place = kept;
    return kept;
  }

  /** Keeps what has changed. What is asked for stands even if the page goes at this moment. Resolves when it is there; never rejects. */
  async write({ id, seq, epoch }: Place, conversations: ReadonlyMap<Key, Conversation>): Promise<void> {
    if (!this.#database) return;
    const before = this.#place?.id === id ? this.#written : undefined;
    const now = new Map(lastOnes(conversations).map((c) => [c.key, c]));
    const changed = [...now.values()].filter(({ key, lines }) => before?.get(key) !== lines);
    const gone = [...before?.keys() ?? []].filter((key) => !now.has(key));
    if (before && changed.length === 0 && gone.length === 0 && this.#place?.seq === seq && this.#place.epoch === epoch) return;
    this.#written = new Map(Array.from(now, ([key, { lines }]) => [key, lines]));
    this.#place = { id, seq, epoch };
    try {
      await this.#change((store) => {
        if (!before) store.clear();
        for (const key of gone) store.delete(key);
        for (const { key, lines, moreafter } of changed) store.put({ lines: lines.slice(-LINES).map(plain), moreafter } satisfies Run, key);
        store.put(this.#place, PLACE);
      });
    } catch {
      // There is no room, or the browser will not. What is there is as it was.
      this.#written = undefined;
    }
  }

  /** Forgets all of it. Resolves when it is gone; never rejects. */
  async forget(): Promise<void> {
    this.#written = undefined;
    await this.#opened;
    await this.#change((store) => store.clear()).catch(() => {});
  }

  #change(how: (store: IDBObjectStore) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#database) return resolve();
      const transaction = this.#database.transaction(STORE, "readwrite");
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      how(transaction.objectStore(STORE));
      // Not only when the page has had its turn: it may be about to go.
      transaction.commit?.();
    });
  }
}

/** Undefined: the browser has none for this page. Never rejects. */
function open(): Promise<IDBDatabase | undefined> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(DATABASE, VERSION);
      request.onupgradeneeded = () => {
        const { result: database } = request;
        for (const name of database.objectStoreNames) database.deleteObjectStore(name);
        database.createObjectStore(STORE);
      };
      request.onerror = () => resolve(undefined);
      request.onsuccess = () => {
        // A newer page, in another tab, wants it in another shape.
        request.result.onversionchange = () => request.result.close();
        resolve(request.result);
      };
    } catch {
      resolve(undefined);
    }
  });
}

function all(database: IDBDatabase | undefined): Promise<Kept | undefined> {
  return new Promise((resolve, reject) => {
    if (!database) return resolve(undefined);
    const transaction = database.transaction(STORE);
    const keys = transaction.objectStore(STORE).getAllKeys();
    const values = transaction.objectStore(STORE).getAll();
    transaction.onabort = () => reject(transaction.error);
    transaction.oncomplete = () => {
      const runs = new Map<unknown, unknown>(keys.result.map((key, i) => [key, values.result[i]]));
      const place = runs.get(PLACE) as Place | undefined;
      runs.delete(PLACE);
      resolve(place && { ...place, runs: runs as Kept["runs"] });
    };
  });
}

/** Only what means something to a later page. */
function plain({ touched: _, ...line }: Line): Line {
  return line;
}
