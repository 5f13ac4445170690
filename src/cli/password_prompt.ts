/** Reads a password: from a terminal without showing it, else the first line of stdin. */

const ENTER = new Set([10, 13]), BACKSPACE = new Set([8, 127]), CTRL_C = 3, CTRL_D = 4;

/** The exit code of who was interrupted, as shells tell it: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

/** Asks on stderr if stdin is a terminal. Ctrl-C ends the process. */
export async function readPassword(prompt: string): Promise<string> {
  const terminal = Deno.stdin.isTerminal();
  const say = (text: string) => void Deno.stderr.writeSync(new TextEncoder().encode(text));
  if (terminal) {
    // In this order: who types as soon as they are asked would see it.
    Deno.stdin.setRaw(true);
    say(prompt);
  }
  let line: string | undefined;
  try {
    line = await readLine();
  } finally {
    if (terminal) {
      Deno.stdin.setRaw(false);
      say("\n");
    }
  }
  // Nothing was begun.
  return line ?? Deno.exit(INTERRUPTED);
}

/** Undefined: Ctrl-C. */
async function readLine(): Promise<string | undefined> {
  const typed: number[] = [];
  const buffer = new Uint8Array(256);
  for (;;) {
    const n = await Deno.stdin.read(buffer);
    if (n === null) return decode(typed);
    for (const byte of buffer.subarray(0, n)) {
      if (ENTER.has(byte) || byte === CTRL_D) return decode(typed);
      if (byte === CTRL_C) return undefined;
      if (BACKSPACE.has(byte)) removeCharacter(typed);
      else typed.push(byte);
    }
  }
}

/** Takes back one character, which may be several bytes. */
function removeCharacter(bytes: number[]): void {
  while (bytes.length > 0 && (bytes.pop()! & 0xc0) === 0x80);
}

function decode(bytes: number[]): string {
  return new TextDecoder().decode(new Uint8Array(bytes));
}
