/** What goes over HTTP: files, up with a session's token, down by their addresses; and all that is kept of a user. */
import type { FileTold } from "./conversations.ts";
import { ConnectionLost } from "./errors.ts";

/** What the server says of a file that was uploaded: its number is for `files` of a message. */
export type Uploaded = Omit<FileTold, "url">;

/** The server does not take or give what is asked; the message says why. */
export class FileRefused extends Error {
  /** By which it is told from other errors. */
  override name = "FileRefused";
  /** `status` is HTTP's. */
  constructor(readonly status: number, reason: string) {
    super(reason);
  }
}

/** Where, and with what. */
export interface UploadOptions {
  /** The server's HTTP port, such as `https://chat.example.org`; LOGIN_ACK's `url`. */
  url: string;
  /** Of any of one's devices. */
  token: string;
  /** As it is called. */
  name: string;
  /** Gives it up. */
  signal?: AbortSignal | undefined;
}

/** Uploads a file. Rejects with {@linkcode FileRefused}, with {@linkcode ConnectionLost} if there is no answer. */
export async function upload(body: Blob | Uint8Array<ArrayBuffer>, { url, token, name, signal }: UploadOptions): Promise<Uploaded> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await asked(`${url}/files?name=${encodeURIComponent(name)}`, { method: "POST", headers, body, ...(signal ? { signal } : {}) });
  return await response.json();
}

/** Makes a file that one may read one's own as well, for a message of one's own: its bytes need not go down and up again. Rejects as {@linkcode upload} does. @param path the file's `url` */
export async function copyFile(path: string, { url, token }: Pick<UploadOptions, "url" | "token">): Promise<Uploaded> {
  const response = await asked(url + path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  return await response.json();
}

/** What a file holds. @param url the server's HTTP port @param path the file's `url` */
export async function download(url: string, path: string): Promise<Response> {
  return await asked(url + path, {});
}

/** Whether an answer to {@linkcode download} says that the file is not there any more: its message was deleted, or its bytes are lost. */
export function isLost(status: number): boolean {
  return status === 404 || status === 410;
}

/** All that the server keeps of the user, as lines of JSON; whole if the last one is `{"what":"end"}`. Rejects with {@linkcode FileRefused}: three times in an hour. */
export async function exportData({ url, token }: { url: string; token: string }): Promise<Response> {
  return await asked(`${url}/export`, { headers: { authorization: `Bearer ${token}` } });
}

async function asked(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ConnectionLost("unreachable", { cause });
  }
  if (!response.ok) throw new FileRefused(response.status, (await response.text()).trim() || `HTTP ${response.status}`);
  return response;
}
