/** The beginning of a long line that goes to many connections, as bytes: it is encoded once for all that are written to one after the other. */

const encoder = new TextEncoder();
let text = "", bytes = new Uint8Array();

/** Whether these characters are the beginning of a line, the rest of which comes with the next write. */
export function isBeginning(lines: string): boolean {
  return !lines.endsWith("\n");
}

/** Its bytes, which nobody may change. */
export function bytesOf(beginning: string): Uint8Array {
  if (beginning !== text) bytes = encoder.encode(text = beginning);
  return bytes;
}
