// natter in a pseudo-terminal, which `script` (util-linux) makes, and what a person would see on it.

import { denoEnv, fromSource } from "./program.ts";

/** How long a test waits for something to appear (ms). */
const PATIENCE = 20_000;

const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60\u{1f300}-\u{1f64f}]/u;
const SEQUENCE = /^\p{Cc}\[([\d;]*)([A-Za-z])/u;
/** A terminal that tells pastes from keys shows nothing of being told to. */
const PASTES = /\p{Cc}\[\?2004[hl]/gu;

/** A screen of endless height that understands what a line editor needs. Throws an Error at any other sequence. */
export class ScreenModel {
  readonly #rows: string[][] = [[]];
  #row = 0;
  #column = 0;
  #rest = "";

  constructor(readonly columns: number) {}

  /** The rows, without the blanks at their ends. */
  get rows(): string[] {
    return this.#rows.map((row) => Array.from(row, (cell) => cell ?? " ").join("").trimEnd());
  }

  /** Where the next character goes. */
  get cursor(): { row: number; column: number } {
    return { row: this.#row, column: this.#column };
  }

  write(text: string): void {
    for (text = this.#rest + text; text !== "";) {
      const [all, digits, letter] = SEQUENCE.exec(text) ?? [];
      if (all !== undefined) {
        this.#obey(letter, digits);
        text = text.slice(all.length);
      } else if (text.startsWith("\x1b") && /^.(\[[\d;]*)?$/s.test(text)) {
        break;
      } else {
        const [character] = text;
        this.#put(character);
        text = text.slice(character.length);
      }
    }
    this.#rest = text;
  }

  #obey(letter: string, digits: string): void {
    const n = Number(digits || 1);
    if (letter === "A") this.#row = Math.max(0, this.#row - n);
    else if (letter === "B") this.#row += n;
    else if (letter === "C") this.#column += n;
    else if (letter === "D") this.#column = Math.max(0, this.#column - n);
    else if (letter === "G") this.#column = n - 1;
    else if (letter === "K" && !digits) this.#line.length = Math.min(this.#line.length, this.#column);
    else if (letter === "J" && (!digits || digits === "0")) {
      this.#line.length = Math.min(this.#line.length, this.#column);
      this.#rows.length = this.#row + 1;
    } else if (letter !== "m") throw new Error(`unexpected sequence: ESC [${digits}${letter}`);
  }

  #put(character: string): void {
    if (character === "\r") this.#column = 0;
    else if (character === "\n") this.#row++;
    else if (/\p{Cc}/u.test(character)) throw new Error(`unexpected control character: ${JSON.stringify(character)}`);
    else {
      const width = WIDE.test(character) ? 2 : 1;
      if (this.#column + width > this.columns) {
        this.#row++;
        this.#column = 0;
      }
      this.#line[this.#column] = character;
      if (width === 2) this.#line[this.#column + 1] = "";
      this.#column += width;
    }
  }

  get #line(): string[] {
    while (this.#rows.length <= this.#row) this.#rows.push([]);
    return this.#rows[this.#row];
  }
}

/** natter at a terminal. When it is disposed of, it is killed. */
export class Terminal implements AsyncDisposable {
  readonly screen = new ScreenModel(80);
  /** All that was written to the terminal. */
  raw = "";
  readonly #process: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #changed = Promise.withResolvers<void>();
  #over = false;

  /** Runs `natter ARGS`, 80 columns wide; `shell`: as a shell's job, with this behind it. */
  constructor(args: string[], env: Record<string, string> = {}, shell?: string) {
    const natter = [...fromSource, ...args].map((word) => `'${word}'`).join(" ");
    const command = shell ? `bash -mc "${natter}; ${shell}"` : natter;
    this.#process = new Deno.Command("script", {
      // -e: its exit code; -f: nothing is held back.
      args: ["-qfec", `stty rows 40 cols 80; exec ${command}`, "/dev/null"],
      env: { ...denoEnv(), PATH: Deno.env.get("PATH") ?? "", SHELL: "/bin/sh", TERM: "xterm", TZ: "UTC", ...env },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keys = this.#process.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Presses keys. */
  async type(text: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(text));
  }

  /** Presses what no keyboard has. */
  async typeBytes(bytes: number[]): Promise<void> {
    await this.#keys.write(Uint8Array.from(bytes));
  }

  /** Makes it as wide as that, for natter: `screen` stays as it is. */
  async resize(columns: number): Promise<void> {
    const { pid } = this.#process;
    const [child] = (await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`)).trim().split(" ");
    const terminal = await Deno.readLink(`/proc/${child}/fd/0`);
    await new Deno.Command("stty", { args: ["-F", terminal, "cols", `${columns}`] }).output();
  }

  /** Waits until some row matches; `below` looks at those from that row on. @returns the row's number */
  async see(what: string | RegExp, below = 0): Promise<number> {
    const matches = (row: string) => typeof what === "string" ? row === what : what.test(row);
    let found = -1;
    await this.until((rows) => (found = rows.findIndex((row, i) => i >= below && matches(row))) >= 0, String(what));
    return found;
  }

  /** Waits until the screen is as it should be. Throws an Error with the screen if that does not come. */
  async until(holds: (rows: string[]) => boolean, what: string): Promise<void> {
    const end = performance.now() + PATIENCE;
    while (!holds(this.screen.rows)) {
      if (performance.now() > end || this.#over) throw new Error(`not seen: ${what}\n${this.screen.rows.join("\n")}`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([this.#changed.promise, new Promise((resolve) => timer = setTimeout(resolve, end - performance.now()))]);
      clearTimeout(timer);
    }
  }

  /** The row with the prompt. */
  get lastRow(): string {
    return this.screen.rows[this.screen.cursor.row] ?? "";
  }

  /** Waits for the end. @returns the exit code */
  async ended(): Promise<number> {
    const { code } = await this.#process.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keys.close().catch(() => {});
    try {
      // The terminal is gone, and natter is told by SIGHUP. (At SIGTERM `script` waits for 2 s.)
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await Promise.all([this.#process.status, this.#reading]);
  }

  async #read(): Promise<void> {
    try {
      for await (const part of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
        this.raw += part;
        this.screen.write(part.replace(PASTES, ""));
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      }
    } finally {
      this.#over = true;
      this.#changed.resolve();
    }
  }
}
