/**
 * `POST /files` takes a file in, `GET /files/KEY` gives it to whoever has the address, and `POST /files/KEY` gives it to them as a file of their own.
 *
 * What a browser is given here never runs, whatever it is: it is told the type that the bytes have, and no other; what is no picture, sound or film is to be saved,
 * not shown; and what is shown is shown in a sandbox.
 */
import { dispositionOf } from "../files/name.ts";
import type { Folder } from "../files/folder.ts";
import { isShown } from "../files/type.ts";
import type { Refused, Uploads } from "../files/uploads.ts";
import { type Answer, type HttpRequest, json, type Streamed, text } from "../net/exchange.ts";
import { uploadCost } from "../ops/costs.ts";
import type { Limits } from "../ops/limits.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import { type FileInfo, FILES_PATH, type StoredFile, toldOf } from "../store/files.ts";
import type { Store, UserId } from "../store/store.ts";
import { bearer, unauthorized } from "./bearer.ts";
import type { Route } from "./routes.ts";

const SANDBOX = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'";

const REFUSED_UPLOADS: Readonly<Record<Refused | "GONE", [status: number, reason: string]>> = {
  GONE: [404, "the file is gone"],
  MANY: [429, "you are uploading as many files as you may at once"],
  QUOTA: [507, "you have as much here as you may have"],
  DISK: [507, "the disk is full"],
};

/** What the routes need. */
export interface FilesParts {
  /** For tokens and addresses. */
  store: Pick<Store, "findUserByToken" | "findFile">;
  /** Where the bytes are. */
  folder: Folder;
  /** What takes files in. */
  uploads: Uploads;
  /** Who may ask how often. */
  limits: Limits;
  /** When tokens end. */
  time: TrustedTime;
  /** `--max-file` (bytes). */
  maxFile: number;
}

/** The routes. */
export function fileRoutes(parts: FilesParts): Route[] {
  return [
    { method: "POST", path: FILES_PATH, answer: (request) => upload(parts, request) },
    { method: "GET", path: `${FILES_PATH}/*`, answer: (request) => download(parts, request) },
    { method: "POST", path: `${FILES_PATH}/*`, answer: (request) => copy(parts, request) },
  ];
}

/** The routes where there are no files. */
export function noFileRoutes(): Route[] {
  return [{ method: "POST", path: FILES_PATH, answer: () => text(404, "this server takes no files") }];
}

async function upload({ store, uploads, limits, time, maxFile }: FilesParts, request: HttpRequest): Promise<Answer> {
  const owner = await bearer(request, store, time);
  if (!owner) return unauthorized();
  const { length, query } = request;
  if (length === undefined) return text(411, "the length of the file must be told: Content-Length");
  if (length > maxFile) return text(413, `a file may have ${maxFile} bytes`);
  const { id } = owner.account;
  return tooMany(limits, id, length) ?? taken(await uploads.take(id, query.get("name") ?? "", length, (buffer) => request.body(buffer)));
}

async function copy({ store, uploads, limits, time }: FilesParts, request: HttpRequest): Promise<Answer> {
  const owner = await bearer(request, store, time);
  if (!owner) return unauthorized();
  const { id } = owner.account;
  return tooMany(limits, id, 0) ?? taken(await uploads.copy(id, keyOf(request)));
}

function tooMany(limits: Limits, id: UserId, size: number): Answer | undefined {
  const retry = limits.request(id, uploadCost(size));
  return retry > 0 ? text(429, "too many requests", { "retry-after": String(Math.ceil(retry / 1000)) }) : undefined;
}

function taken(file: FileInfo | Refused | "GONE"): Answer {
  return typeof file === "string" ? text(...REFUSED_UPLOADS[file]) : json(201, withoutAddress(file));
}

/** What the address ends with. */
function keyOf({ path }: HttpRequest): string {
  return path.slice(FILES_PATH.length + 1);
}

async function download({ store, folder }: FilesParts, request: HttpRequest): Promise<Answer | undefined> {
  const { headers } = request;
  const file = await store.findFile(keyOf(request));
  if (!file) return undefined;
  if (!await folder.has(file.place)) return text(404, "the file is lost");
  const { size, hash, type } = file;
  const etag = `"${hash.slice(0, 32)}"`;
  const whole = {
    type: isShown(type) ? type : "application/octet-stream",
    headers: {
      etag,
      "accept-ranges": "bytes",
      "cache-control": "private, no-cache",
      "content-disposition": dispositionOf(isShown(type) ? "inline" : "attachment", file.name),
      "content-security-policy": SANDBOX,
    },
  };
  const known = headers["if-range"];
  const range = known === undefined || known === etag ? rangeOf(headers.range, size) : undefined;
  if (range === "none") return text(416, "the file is shorter", { "content-range": `bytes */${size}` });
  if (!range) return { ...whole, status: 200, body: part(folder, file, 0, size) };
  const { from, length } = range;
  return {
    ...whole,
    status: 206,
    headers: { ...whole.headers, "content-range": `bytes ${from}-${from + length - 1}/${size}` },
    body: part(folder, file, from, length),
  };
}

function part(folder: Folder, { place }: StoredFile, from: number, length: number): Streamed {
  return { length, read: () => folder.read(place, from, length) };
}

/** What a Range asks for; undefined: all, since it says none, several, or something else. "none": nothing of it is there. */
export function rangeOf(header: string | undefined, size: number): { from: number; length: number } | "none" | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || first + last === "") return undefined;
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== "" && last !== "" && Number(first) > Number(last)) return undefined;
  return from > to ? "none" : { from, length: to - from + 1 };
}

/** What is told of a file that no message has yet. */
function withoutAddress(file: FileInfo): object {
  const { url: _, ...told } = toldOf({ ...file, urlkey: "" });
  return told;
}
