// deno-lint-ignore-file no-control-regex
/**
 * What a file is: by its first bytes, whatever it is called.
 *
 * Written here, since `file-type` reads all variables of the environment when it is loaded (by way of `debug`), which the server may not, and what else there is
 * on npm takes a ZIP for a text of Word.
 */
import { PICTURES } from "../store/files.ts";

/** So many bytes are enough to tell. */
export const HEAD = 4096;

/** How files begin, and what they are then; the first that fits counts. */
const SIGNATURES: readonly (readonly [begins: RegExp, type: string])[] = [
  [/^\x89PNG\r\n\x1a\n/, "image/png"],
  [/^\xff\xd8\xff/, "image/jpeg"],
  [/^GIF8[79]a/, "image/gif"],
  [/^RIFF.{4}WEBPVP8[ LX]/s, "image/webp"],
  [/^.{4}ftypavi[fs]/s, "image/avif"],
  [/^.{4}ftyp(?:hei[cmsx]|hev[cmsx]|m[is]f1)/s, "image/heic"],
  [/^.{4}ftypM4[AB] /s, "audio/mp4"],
  [/^.{4}ftyp3g/s, "video/3gpp"],
  [/^.{4}ftypqt {2}/s, "video/quicktime"],
  [/^.{4}ftyp/s, "video/mp4"],
  [/^\x1a\x45\xdf\xa3.{0,60}webm/s, "video/webm"],
  [/^\x1a\x45\xdf\xa3/s, "video/x-matroska"],
  [/^OggS.{24}\x80theora/s, "video/ogg"],
  [/^OggS/, "audio/ogg"],
  [/^RIFF.{4}WAVE/s, "audio/wav"],
  [/^fLaC/, "audio/flac"],
  [/^(?:ID3[\x02-\x04]|\xff[\xfa\xfb\xf2\xf3])/, "audio/mpeg"],
  [/^\xff[\xf1\xf9]/, "audio/aac"],
  [/^%PDF-/, "application/pdf"],
  [/^PK\x03\x04/, "application/zip"],
  [/^\x1f\x8b\x08/, "application/gzip"],
];

/** The media type of what begins so. */
export function typeOf(head: Uint8Array): string {
  const begin = String.fromCharCode(...head.subarray(0, 128));
  return SIGNATURES.find(([begins]) => begins.test(begin))?.[1] ?? (isText(head) ? "text/plain" : "application/octet-stream");
}

/** Whether a browser may show it where it is asked for; everything else it is to save. */
export function isShown(type: string): boolean {
  return PICTURES.includes(type) || /^(?:audio|video)\//.test(type);
}

function isText(head: Uint8Array): boolean {
  try {
    // The last character may be cut.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return !/(?![\t\n\f\r])\p{Cc}/u.test(text);
  } catch {
    return false;
  }
}
