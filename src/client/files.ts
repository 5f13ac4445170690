/** What goes over HTTP: files, up with a session's token, down by their addresses; and all that is kept of a user. */
import type { FileTold } from "./conversations.ts";
import { ConnectionLost } from "./errors.ts";
import { Silence } from "./silence.ts";

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
  /** Asks; default the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Gives it up. Nothing else does: `fetch` tells nothing of how much has gone, so that whoever can see it has to say when it stands still. */
  signal?: AbortSignal | undefined;
}

/** Uploads a file. Rejects with {@linkcode FileRefused}, with {@linkcode ConnectionLost} if there is no answer, with what `signal` aborts with. */
export async function upload(body: Blob | Uint8Array<ArrayBuffer>, { url, token, name, signal, fetch }: UploadOptions): Promise<Uploaded> {
  const headers = { authorization: `Bearer ${token}` };
  const init = { method: "POST", headers, body, ...(signal ? { signal } : {}) };
  const response = await asked(`${url}/files?name=${encodeURIComponent(name)}`, init, fetch);
  return await response.json();
}

/** Who waits for what comes down. */
export interface Waiting {
  /** Asks; default the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Gives it up. */
  signal?: AbortSignal | undefined;
  /** It may stand still so long (ms; default 60,000); then it ends with {@linkcode ConnectionLost} `timeout`. */
  silence?: number | undefined;
}

/** Makes a file that one may read one's own as well, for a message of one's own: its bytes need not go down and up again. Rejects as {@linkcode upload} does. @param path the file's `url` */
export async function copyFile(path: string, { url, token }: Pick<UploadOptions, "url" | "token">): Promise<Uploaded> {
  const response = await bounded(url + path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  return await response.json();
}

/** What a file holds. @param url the server's HTTP port @param path the file's `url` */
export async function download(url: string, path: string, waiting?: Waiting): Promise<Response> {
  return await bounded(url + path, {}, waiting);
}

/** Whether an answer to {@linkcode download} says that the file is not there any more: its message was deleted, or its bytes are lost. */
export function isLost(status: number): boolean {
  return status === 404 || status === 410;
}

/** All that the server keeps of the user, as lines of JSON; whole if the last one is `{"what":"end"}`. Rejects with {@linkcode FileRefused}: three times in an hour. */
export async function exportData({ url, token, ...waiting }: { url: string; token: string } & Waiting): Promise<Response> {
  return await bounded(`${url}/export`, { headers: { authorization: `Bearer ${token}` } }, waiting);
}

/** Asks, and ends the answer where it stands still. */
async function bounded(url: string, init: RequestInit, { signal, fetch, silence: ms }: Waiting = {}): Promise<Response> {
  const silence = new Silence(ms, signal);
  silence.moved();
  try {
    const { body, status, headers } = await silence.race(asked(url, { ...init, signal: silence.signal }, fetch));
    return new Response(body && watched(body.getReader(), silence), { status, headers });
  } finally {
    silence.end();
  }
}

/** The same bytes. Who takes them may be slow: the time runs only while something is waited for. */
function watched(reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, silence: Silence): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      silence.moved();
      try {
        const { done, value } = await silence.race(reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (cause) {
        reader.cancel().catch(() => {});
        throw silence.signal.aborted ? silence.signal.reason : new ConnectionLost("lost", { cause });
      } finally {
        silence.end();
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

async function asked(url: string, init: RequestInit, ask: typeof fetch = fetch): Promise<Response> {
  let response: Response;
  try {
    response = await ask(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ConnectionLost("unreachable", { cause });
  }
  if (!response.ok) throw new FileRefused(response.status, (await response.text()).trim() || `HTTP ${response.status}`);
  return response;
}
