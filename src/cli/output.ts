/** What commands say to the person or program that called them. What the server does is told by the log instead. */

/** Writes a line to stdout. */
export function print(line: string): void {
  write(Deno.stdout, line);
}

/** Writes a line to stderr: `natter: …`. */
export function complain(line: string): void {
  write(Deno.stderr, `natter: ${line}`);
}

function write(stream: { writeSync(bytes: Uint8Array): number }, line: string): void {
  let bytes = new TextEncoder().encode(line + "\n");
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}
