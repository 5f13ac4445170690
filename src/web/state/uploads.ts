/** Files on their way up, or of messages that are forwarded, for messages that are not sent yet. They stay when another conversation is opened, and go with the page. */
import { copyFile, FileRefused, type Uploaded } from "../../client/files.ts";
import { ConnectionLost, type FileTold, type Sent, type User } from "../../client/natter_client.ts";
import { Silence } from "../../client/silence.ts";
import { serverUrl } from "../format.ts";
import type { Key, Line } from "./model.ts";
import type { Account } from "./account.ts";

/** Most files of a message. */
export const MAX_FILES = 10;
/**
 * So many are on their way at once; the others wait for them. The server takes four of a user's, from all devices, and refuses more; a browser sends six, and the
 * time in which one must move would run for those that it holds back.
 */
const AT_ONCE = 3;

export interface Upload {
  /** Its own on this page. */
  id: number;
  /** What goes up, or a file of a message, which is on the server. */
  file: File | FileTold;
  state: "going" | "done" | "failed";
  /** How much has gone, of 1. */
  part: number;
  error?: unknown;
  uploaded?: Uploaded;
}

/** What was uploaded by this page: the answer to a message tells nothing of its files. */
const known = new Map<number, Uploaded>();

/** Files of one's own message before the server has told their addresses: `url` is empty. */
export function withoutAddresses(ids: readonly number[] | undefined): FileTold[] | undefined {
  return ids?.map((id) => ({ ...known.get(id) ?? { id, name: "", type: "", size: 0 }, url: "" }));
}

/** A message of one's own, for as long as the server has told no more of it. */
export function lineOfSent({ mid, msg, state, reply, silent, files }: Sent, { id, name }: Pick<User, "id" | "name">): Omit<Line, "messageid" | "ts"> {
  return { mid, id, name, msg, state, reply, silent, files: withoutAddresses(files) };
}

export class Uploads {
  /** Something is another. */
  changed: () => void = () => {};
  readonly #account: Account;
  readonly #all = new Map<string, readonly Upload[]>();
  readonly #requests = new Map<number, XMLHttpRequest>();
  /** Those that have not begun, in their order. */
  readonly #waiting: { me: number; key: Key; upload: Upload }[] = [];
  /** How many have. */
  #under = 0;
  #last = 0;

  constructor(account: Account) {
    this.#account = account;
  }

  /** Those for the next message of `me` there. */
  of(me: number, key: Key): readonly Upload[] {
    return this.#all.get(`${me} ${key}`) ?? [];
  }

  /** Begins. @returns whether there was room for all */
  add(me: number, key: Key, files: readonly (File | FileTold)[]): boolean {
    const here = this.of(me, key);
    const added = files.slice(0, MAX_FILES - here.length).map((file): Upload => ({ id: ++this.#last, file, state: "going", part: 0 }));
    this.#set(me, key, [...here, ...added]);
    for (const upload of added) this.#start(me, key, upload);
    return added.length === files.length;
  }

  again(me: number, key: Key, upload: Upload): void {
    this.#change(me, key, upload.id, { state: "going", part: 0 });
    this.#start(me, key, upload);
  }

  /** Gives one up. What is on the server already goes by itself, since no message has it. */
  remove(me: number, key: Key, { id }: Upload): void {
    this.#set(me, key, this.of(me, key).filter((other) => other.id !== id));
    this.#requests.get(id)?.abort();
    this.#requests.delete(id);
  }

  /** They go with a message. */
  take(me: number, key: Key): number[] {
    const ids = this.of(me, key).map(({ uploaded }) => uploaded!.id);
    this.#set(me, key, []);
    return ids;
  }

  #start(me: number, key: Key, upload: Upload): void {
    this.#waiting.push({ me, key, upload });
    this.#next();
  }

  #next(): void {
    while (this.#under < AT_ONCE) {
      const next = this.#waiting.shift();
      if (!next) return;
      const { me, key, upload: { id, file } } = next;
      // Given up before it began.
      if (!this.of(me, key).some((upload) => upload.id === id)) continue;
      this.#under++;
      void this.#go(me, key, id, file).finally(() => {
        this.#under--;
        this.#next();
      });
    }
  }

  /** Resolves when it is over; never rejects. */
  async #go(me: number, key: Key, id: number, file: File | FileTold): Promise<void> {
    try {
      // Of a folder, or what is not there any more, the request would say only that it failed.
      if (file instanceof File) await file.slice(0, 1).arrayBuffer();
      const { token } = this.#account;
      // Who waited may be another one's by now.
      if (this.#account.client.session?.id !== me) throw new ConnectionLost("closed");
      if (file instanceof File) await this.#send(me, key, id, file, token);
      else this.#done(me, key, id, await copyFile(file.url, { url: serverUrl(), token }));
    } catch (error) {
      this.#change(me, key, id, { state: "failed", error });
    }
  }

  #done(me: number, key: Key, id: number, uploaded: Uploaded): void {
    known.set(uploaded.id, uploaded);
    this.#change(me, key, id, { state: "done", part: 1, uploaded });
  }

  /** By XMLHttpRequest: `fetch` tells nothing of how much has gone. Rejects as `upload` of the client does. */
  #send(me: number, key: Key, id: number, file: File, token: string): Promise<void> {
    const request = new XMLHttpRequest(), silence = new Silence();
    this.#requests.set(id, request);
    request.open("POST", new URL(`files?name=${encodeURIComponent(file.name.toWellFormed())}`, document.baseURI));
    request.setRequestHeader("authorization", `Bearer ${token}`);
    return new Promise<void>((resolve, reject) => {
      request.upload.onprogress = ({ loaded, total }) => {
        silence.moved();
        this.#change(me, key, id, { part: total > 0 ? loaded / total : 0 });
      };
      silence.signal.onabort = () => {
        reject(silence.signal.reason);
        request.abort();
      };
      request.onerror = () => reject(new ConnectionLost("unreachable"));
      request.onload = () => {
        if (request.status !== 201) return reject(new FileRefused(request.status, request.responseText));
        this.#done(me, key, id, JSON.parse(request.responseText));
      };
      request.onloadend = () => {
        silence.end();
        this.#requests.delete(id);
        resolve();
      };
      silence.moved();
      request.send(file);
    });
  }

  #change(me: number, key: Key, id: number, how: Partial<Upload>): void {
    this.#set(me, key, this.of(me, key).map((upload) => upload.id === id ? { ...upload, ...how } : upload));
  }

  #set(me: number, key: Key, uploads: readonly Upload[]): void {
    this.#all.set(`${me} ${key}`, uploads);
    this.changed();
  }
}
