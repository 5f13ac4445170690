/**
 * A terminal with one line at its bottom that is being typed, over `node:readline` and `keys.ts`: what is printed appears above it, and it stays as it is.
 *
 * Rules:
 *
 * 1. One interface has the terminal from the first prompt to the end: two would take keys from each other.
 * 2. While a password is asked for, nothing is shown of what is typed, nor kept in the history.
 * 3. The keys that stop a program or interrupt it are the terminal's: it makes signals of them. Whoever goes on after a stop has the terminal as it was.
 * 4. What is printed is made fit for a terminal by the caller; `print` writes it as it is.
 */
import process from "node:process";
import * as readline from "node:readline";
import { Writable } from "node:stream";
import { Keys, LINE_BREAK, PASTES_OFF, PASTES_ON } from "./keys.ts";

/** What Tab makes of a line: what it could be, and the part of it that this replaces. */
type Complete = (line: string) => [hits: string[], replaced: string];

interface Asking {
  question: string;
  hidden: boolean;
  resolve: (answer: string | undefined) => void;
}

/** A person's terminal. */
export class Screen {
  /** What Tab does outside of questions. */
  complete: Complete = (line) => [[], line];
  /** A line was typed that is not UTF-8: it goes nowhere. */
  onBroken: () => void = () => {};
  /** Ctrl-C while no line is waited for. @returns whether something was given up; if not, there will be no more lines */
  onInterrupt: () => boolean = () => false;
  readonly #out: TerminalOut;
  readonly #keys = new Keys(setRaw);
  readonly #readline: readline.Interface;
  readonly #typed: string[] = [];
  #waiting: ((line: string | undefined) => void) | undefined;
  #asking: Asking | undefined;
  #prompt = "> ";
  /** A prompt, or a question, stands on the last line. */
  #drawn = false;
  /** There will be no more lines. */
  #ended = false;

  constructor() {
    this.#out = new TerminalOut();
    this.#readline = readline.createInterface({
      input: this.#keys as unknown as NodeJS.ReadableStream,
      output: this.#out,
      terminal: true,
      historySize: 500,
      removeHistoryDuplicates: true,
      // A lone Escape is a key; half a second is long when the next key is already there.
      escapeCodeTimeout: 50,
      completer: (line: string) => this.#asking ? [[], line] : this.complete(line),
    });
    this.#readline.on("line", (line) => this.#line(line));
    this.#readline.on("close", () => this.#end());
    this.#keys.line = this.#readline;
    // On what row the cursor is readline knows only of what it has drawn itself, as wide as the terminal was then; from there it draws the next time.
    const drawn = this.#readline as unknown as { prevRows: number };
    this.#keys.insert = (text) => {
      this.#readline.write(text);
      drawn.prevRows = this.#readline.getCursorPos().rows;
    };
    // Most terminals break lines anew: a wider one has fewer rows, and above them are messages.
    this.#out.prependListener("resize", () => drawn.prevRows = Math.min(drawn.prevRows, this.#readline.getCursorPos().rows));
    process.stdin.on("data", this.#read);
    process.stdin.on("end", this.#gone);
    this.#out.say(PASTES_ON);
    // Where the terminal makes no signals of them, they are keys.
    this.#readline.on("SIGINT", this.#interrupt);
    // Without a listener readline would stop this process by a signal, which Deno's permissions do not allow.
    this.#readline.on("SIGTSTP", () => {});
    this.#listen(Deno.addSignalListener);
    this.#readline.on("history", (history) => {
      if (this.#asking) history.shift();
    });
  }

  /** There will be no more lines: Ctrl-D, Ctrl-C on an empty line, or the terminal is gone. */
  get ended(): boolean {
    return this.#ended;
  }

  get columns(): number {
    return this.#out.columns;
  }

  /** Prints lines above the one that is being typed. */
  print(text: string): void {
    if (this.#ended || !this.#drawn && this.#readline.line === "") return this.#out.say(text + "\n");
    // Rule 2: readline would draw what is typed.
    if (this.#asking?.hidden) return this.#out.say(`\r\x1b[J${text}\n${this.#asking.question}`);
    const { rows } = this.#readline.getCursorPos();
    // readline goes up by as many rows as the cursor was below the prompt before it draws: they are given to it as empty ones.
    this.#out.say(`\r${rows > 0 ? `\x1b[${rows}A` : ""}\x1b[J${text}\n${"\n".repeat(rows)}`);
    this.#readline.prompt(true);
  }

  /** Changes what stands before the line that is typed. */
  setPrompt(prompt: string): void {
    if (prompt === this.#prompt) return;
    this.#prompt = prompt;
    if (this.#waiting) this.#draw();
  }

  /** The next line; undefined when there will be none, or after {@linkcode Screen.cancel}. */
  next(): Promise<string | undefined> {
    if (this.#typed.length > 0) return Promise.resolve(this.#typed.shift());
    if (this.#ended) return Promise.resolve(undefined);
    this.#draw();
    return new Promise((resolve) => this.#waiting = resolve);
  }

  /** Ends a `next` or a question that waits. */
  cancel(): void {
    this.#waiting?.(undefined);
    this.#waiting = undefined;
    this.#answer(undefined);
  }

  /** Asks for a line; `hidden` shows nothing of it. Undefined: given up (Ctrl-C, Ctrl-D). */
  ask(question: string, { hidden = false } = {}): Promise<string | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    if (this.#typed.length > 0) return Promise.resolve(this.#typed.shift());
    return new Promise((resolve) => {
      this.#asking = { question, hidden, resolve };
      this.#drawn = true;
      this.#readline.setPrompt(question);
      this.#readline.prompt();
      this.#out.muted = hidden;
    });
  }

  /** Drops what was typed ahead. @returns how many lines */
  forget(): number {
    return this.#typed.splice(0).length;
  }

  /** Gives the terminal back as it was. */
  close(): void {
    this.#readline.close();
  }

  readonly #read = (bytes: Uint8Array) => this.#keys.feed(bytes);
  readonly #gone = () => this.#readline.close();
  readonly #nothing = () => {};

  /** Rule 3. */
  readonly #continued = () => {
    if (this.#ended) return;
    setRaw(true);
    this.#out.say(PASTES_ON);
    if (this.#drawn && !this.#asking?.hidden) this.#readline.prompt(true);
  };

  #listen(change: typeof Deno.addSignalListener): void {
    if (Deno.build.os === "windows") return;
    change("SIGINT", this.#interrupt);
    change("SIGQUIT", this.#nothing);
    change("SIGCONT", this.#continued);
  }

  #line(typed: string): void {
    this.#drawn = false;
    const line = typed.replaceAll(LINE_BREAK, "\n");
    if (this.#keys.broken) {
      this.#keys.broken = false;
      this.onBroken();
      if (this.#asking) this.#answer(undefined);
      else if (this.#waiting) this.#draw();
      return;
    }
    if (this.#asking) {
      this.#answer(line);
    } else if (this.#waiting) {
      const resolve = this.#waiting;
      this.#waiting = undefined;
      resolve(line);
    } else {
      this.#typed.push(line);
    }
  }

  #answer(line: string | undefined): void {
    if (!this.#asking) return;
    const { hidden, resolve } = this.#asking;
    this.#asking = undefined;
    this.#out.muted = false;
    // The end of the line was not shown either.
    if (hidden || line === undefined) this.#out.say("\n");
    this.#readline.setPrompt(this.#prompt);
    resolve(line);
  }

  #draw(): void {
    if (this.#ended) return;
    this.#drawn = true;
    this.#readline.setPrompt(this.#prompt);
    this.#readline.prompt(true);
  }

  readonly #interrupt = () => {
    const typed = this.#readline.line !== "";
    if (typed) {
      this.#readline.write(null, { ctrl: true, name: "e" });
      this.#readline.write(null, { ctrl: true, name: "u" });
    }
    if (this.#asking) this.#answer(undefined);
    else if (!typed && (this.#waiting || !this.onInterrupt())) this.#readline.close();
  };

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    process.stdin.off("data", this.#read);
    process.stdin.off("end", this.#gone);
    process.stdin.pause();
    this.#listen(Deno.removeSignalListener);
    setRaw(false);
    this.#out.say(PASTES_OFF);
    this.#answer(undefined);
    this.#out.say("\n");
    this.cancel();
  }
}

/** Each key at once, and nothing of it shown; but what interrupts or stops stays the terminal's (rule 3). */
function setRaw(raw: boolean): void {
  try {
    Deno.stdin.setRaw(raw, { cbreak: raw && Deno.build.os !== "windows" });
  } catch {
    // The terminal is gone.
  }
}

/** The terminal as readline sees it: of a known width, and silent while a password is typed. */
class TerminalOut extends Writable {
  muted = false;

  constructor() {
    super({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        if (!this.muted) process.stdout.write(chunk);
        done();
      },
    });
    process.stdout.on("resize", () => this.emit("resize"));
    // A terminal that is gone ends the input as well.
    process.stdout.on("error", () => {});
  }

  /** For readline: a terminal that does not know its width is taken for an ordinary one. */
  get columns(): number {
    return process.stdout.columns || 80;
  }

  /** Writes what is no echo of what is typed. */
  say(text: string): void {
    process.stdout.write(text);
  }
}
