/** Files at a terminal: sent from the disk, and saved there; so is what the server keeps of the user. */
import { basename } from "node:path";
import { download, exportData, FileRefused, isLost, upload, type Uploaded } from "../files.ts";
import type { ChatMessage, LoginAck, NatterClient, Target } from "../natter_client.ts";
import { CommandError } from "./commands.ts";
import { label } from "./text.ts";
import { patiently } from "../patiently.ts";

/** How far back the last message with files is looked for. */
const LOOKED_BACK = 100;

/** Uploads what stands at a path. Throws {@linkcode CommandError}, or what the upload does. */
export async function sendFile(session: LoginAck | undefined, path: string): Promise<Uploaded> {
  const { url, token } = session ?? {};
  if (path === "") throw new CommandError("wanted: /send FILE");
  if (url === undefined || token === undefined || session?.limits.file === undefined) throw new CommandError("this server takes no files");
  try {
    const { size } = await Deno.stat(path);
    const most = session.limits.file;
    if (size > most) throw new CommandError(`${path} has ${size} bytes; a file may have ${most} here`);
    return await upload(await Deno.readFile(path), { url, token, name: basename(path) });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new CommandError(`there is no file ${path}`);
    if (error instanceof Deno.errors.IsADirectory) throw new CommandError(`${path} is a folder`);
    throw error;
  }
}

/** Saves the files of a message (`#N`, or the last one that has any) into the present folder. @returns as what */
export async function saveFiles(client: NatterClient, of: Target | undefined, typed: string): Promise<string[]> {
  const url = client.session?.url;
  if (!of) throw new CommandError("in which conversation? /to NAME or /group NAME says it");
  if (url === undefined) throw new CommandError("this server has no files");
  const [, number] = /^(?:#(\d{1,15}))?$/.exec(typed) ?? [];
  if (number === undefined && typed !== "") throw new CommandError("wanted: /save [#N]");
  const { files } = number === undefined ? await lastOf(client, of) : await named(client, of, Number(number));
  const saved: string[] = [], lost: string[] = [];
  for (const file of files ?? []) {
    try {
      saved.push(await save(await download(url, file.url), file.name));
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
export async function saveExport(session: LoginAck | undefined, name: string): Promise<string> {
  const { url, token } = session ?? {};
  if (url === undefined || token === undefined) {
    throw new CommandError("this server cannot be reached over HTTP, which an export needs; ask whoever runs it");
  }
  return await save(await exportData({ url, token }), name || "natter-export.jsonl");
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
  const safe = basename(name.replaceAll("\\", "/")).replace(/^\.+/, "") || "file";
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
