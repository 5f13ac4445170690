/** What commands say to the person or program that called them. What the server does is told by the log instead. */

/** Writes a line to stdout. */
export function print(line: string): void {
  write(Deno.stdout, line);
}

/** Writes a line to stderr: `natter: …`. */
export function complain(line: string): void {
  write(Deno.stderr, `natter: ${line}`);
}

/** What a terminal obeys, of what JSON leaves as it is: control characters of the second set, line separators, what turns the direction of writing round. */
const UNSAFE_IN_JSON = /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The value in JSON, on one line that a terminal only shows. */
export function json(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE_IN_JSON, (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"));
}

function write(stream: { writeSync(bytes: Uint8Array): number }, line: string): void {
  let bytes = new TextEncoder().encode(line + "\n");
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}
