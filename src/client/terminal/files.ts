/** Files at a terminal: sent from the disk, and saved there; so is what the server keeps of the user. */
import { basename } from "node:path";
import { download, exportData, FileRefused, isLost, upload, type Uploaded, type Waiting } from "../files.ts";
import { Silence } from "../silence.ts";
import type { ChatMessage, LoginAck, NatterClient, Target } from "../natter_client.ts";
import { CommandError } from "./commands.ts";
import { messageAndText } from "./numbers.ts";
import { label } from "./text.ts";
import { patiently } from "../patiently.ts";

/** How far back the last message with files is looked for. */
const LOOKED_BACK = 100;
/** Bytes of a name on a disk: 255 at most, a number beside it included. */
const LONGEST_ON_DISK = 240;

/** An export's last line, by which what is whole is told from what broke off. */
const EXPORT_END = '{"what":"end"}\n';
/** Bytes that are told of together on their way up. */
const PIECE = 65_536;

/** Uploads what stands at a path, unless it stands still or is given up. Throws {@linkcode CommandError}, or what the upload does. */
export async function sendFile(session: LoginAck | undefined, path: string, waiting?: Waiting): Promise<Uploaded> {
  const { url, token } = session ?? {};
  if (path === "") throw new CommandError("wanted: /send FILE");
  if (url === undefined || token === undefined || session?.limits.file === undefined) throw new CommandError("this server takes no files");
  try {
    const { size, isFile, isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new CommandError(`${path} is a folder`);
    // A pipe or a device may never end.
    if (!isFile) throw new CommandError(`${path} is no file`);
    const most = session.limits.file;
    if (size > most) throw new CommandError(`${path} has ${size} bytes; a file may have ${most} here`);
    return await uploadWatched(await Deno.readFile(path), { url, token, name: basename(path) }, waiting);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new CommandError(`there is no file ${path}`);
    throw error;
  }
}

async function uploadWatched(bytes: Uint8Array<ArrayBuffer>, to: { url: string; token: string; name: string }, waiting?: Waiting): Promise<Uploaded> {
  const silence = new Silence(waiting?.silence, waiting?.signal);
  silence.moved();
  try {
    // An empty one has no piece by which its length would be known.
    const body = bytes.length === 0 ? bytes : new Told(bytes, () => silence.moved());
    return await silence.race(upload(body, { ...to, signal: silence.signal, fetch: waiting?.fetch }));
  } finally {
    silence.end();
  }
}

/** Bytes that say when a piece of them goes. (A stream would go without a length, which the server asks for.) */
class Told extends Blob {
  readonly #gone: () => void;

  constructor(bytes: Uint8Array<ArrayBuffer>, gone: () => void) {
    super(Array.from({ length: Math.ceil(bytes.length / PIECE) }, (_, i) => bytes.subarray(i * PIECE, (i + 1) * PIECE)));
    this.#gone = gone;
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const gone = this.#gone;
    return super.stream().pipeThrough(
      new TransformStream({
        transform(piece, out) {
          gone();
          out.enqueue(piece);
        },
      }),
    );
  }
}

/** Saves the files of a message (`#N`, or the last one that has any) into the present folder, unless one stands still or is given up. @returns as what */
export async function saveFiles(client: NatterClient, of: Target | undefined, typed: string, waiting?: Waiting): Promise<string[]> {
  const url = client.session?.url;
  if (!of) throw new CommandError("in which conversation? /to NAME or /group NAME says it");
  if (url === undefined) throw new CommandError("this server has no files");
  const { messageid, text } = messageAndText(typed);
  if (text !== "") throw new CommandError("wanted: /save [#N]");
  const { files } = messageid === undefined ? await lastOf(client, of) : await named(client, of, messageid);
  const saved: string[] = [], lost: string[] = [];
  for (const file of files ?? []) {
    try {
      saved.push(await save(await download(url, file.url, waiting), file.name));
    } catch (error) {
      if (!(error instanceof FileRefused) || !isLost(error.status)) throw error;
      lost.push(file.name);
    }
  }
  if (lost.length === 0) return saved;
  // The others are here all the same.
  const also = saved.length > 0 ? `; saved: ${saved.map(label).join(", ")}` : "";
  throw new CommandError(`not on the server any more: ${lost.map(label).join(", ")}${also}`);
}

/** Saves all that the server keeps of the user into the present folder. @returns as what */
export async function saveExport(session: LoginAck | undefined, name: string, waiting?: Waiting): Promise<string> {
  const { url, token } = session ?? {};
  if (url === undefined || token === undefined) {
    throw new CommandError("this server cannot be reached over HTTP, which an export needs; ask whoever runs it");
  }
  const saved = await save(await exportData({ url, token, ...waiting }), name || "natter-export.jsonl");
  if (await endOf(saved, EXPORT_END.length) === EXPORT_END) return saved;
  await Deno.remove(saved);
  throw new CommandError("it broke off on its way, and nothing is saved");
}

/** The last bytes of what stands at a path, as text. */
async function endOf(path: string, length: number): Promise<string> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  await file.seek(Math.max(0, size - length), Deno.SeekMode.Start);
  return await new Response(file.readable).text();
}

async function lastOf(client: NatterClient, of: Target): Promise<ChatMessage> {
  const { messages } = await patiently(() => client.history(of, { limit: LOOKED_BACK }));
  const found = messages.findLast(({ files }) => files !== undefined);
  if (!found) throw new CommandError("no message here has had a file lately; #N names one, /last shows the numbers");
  return found;
}

async function named(client: NatterClient, of: Target, messageid: number): Promise<ChatMessage> {
  const { messages } = await patiently(() => client.history(of, { around: messageid, limit: 1 }));
  const found = messages.find((message) => message.messageid === messageid);
  if (!found?.files) throw new CommandError(`#${messageid} has no files`);
  return found;
}

/** Under that name, or one beside it: nothing is overwritten. The server's names have no folders; here that is made sure of. */
async function save({ body }: Response, name: string): Promise<string> {
  const safe = fitting(basename(name.replaceAll("\\", "/")).replace(/^\.+/, "")) || "file";
  for (let n = 1;; n++) {
    const path = n === 1 ? safe : safe.replace(/(\.[^.]*)?$/, ` (${n})$1`);
    try {
      await write(body, path);
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** As much of a name as a disk takes: its beginning, and its ending. */
function fitting(name: string): string {
  const [, begun = "", ending = ""] = /^(.*?)(\.[^.]{1,16})?$/su.exec(name)!;
  const characters = [...begun];
  while (new TextEncoder().encode(characters.join("") + ending).length > LONGEST_ON_DISK) characters.pop();
  return characters.join("") + ending;
}

/** Half a file under a whole one's name would be taken for it. */
async function write(body: Response["body"], path: string): Promise<void> {
  const file = await Deno.open(path, { write: true, createNew: true });
  try {
    if (body) await body.pipeTo(file.writable);
    else file.close();
  } catch (error) {
    await Deno.remove(path);
    throw error;
  }
}
