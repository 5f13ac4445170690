/** What is sent, until it is answered. What was sent and not stored is told, with its text, whatever ended it. */
import { within } from "../../async/within.ts";
import { type NatterClient, NatterError, type SendOptions, type Target } from "../natter_client.ts";
import { CommandError } from "./commands.ts";
import type { People } from "./people.ts";
import { harmless, reasonOf, short } from "./text.ts";
import type { View } from "./view.ts";

/** How long a message may be unanswered before it is mentioned (ms). */
const LATE = 1500;

/** Messages on their way. */
export class Outgoing {
  /** How many have been unanswered for so long that it is worth a word. */
  late = 0;
  /** How many were given up without an answer. */
  unstored = 0;
  readonly #client: NatterClient;
  readonly #people: People;
  readonly #view: View;
  readonly #changed: () => void;
  readonly #sends = new Set<Promise<void>>();

  /** Nothing was sent yet. `changed` is told when `late` is another. */
  constructor(client: NatterClient, people: People, view: View, changed: () => void) {
    this.#client = client;
    this.#people = people;
    this.#view = view;
    this.#changed = changed;
  }

  /** How many have no answer yet. */
  get count(): number {
    return this.#sends.size;
  }

  /** Sends a message. `shown`: what it is called where it is told of. */
  send(to: Target, text: string, options?: SendOptions, shown = text): void {
    const what = `to ${this.#people.nameOfTarget(to)}: ${harmless(shown)}`;
    let late = false;
    const waits = () => {
      late = true;
      this.late++;
      this.#changed();
    };
    const timer = setTimeout(() => late || waits(), LATE);
    if (this.#client.state.state !== "online") {
      this.#view.note("not connected: this is sent when the connection is back");
      waits();
    }
    const done = this.#client.chat(to, text, options).then(
      () => late && this.#view.note(`stored ${short(what)}`),
      (error) => {
        const refused = error instanceof NatterError;
        if (!refused) this.unstored++;
        // What was refused is still in the history of lines; what was given up may be nowhere else.
        this.#view.fault(refused ? `not sent ${short(what)} (${reasonOf(error)})` : `not known to be stored ${what} (${reasonOf(error)})`);
      },
    ).then(() => {
      clearTimeout(timer);
      this.#sends.delete(done);
      if (!late) return;
      this.late--;
      this.#changed();
    });
    this.#sends.add(done);
  }

  /** Resolves when everything sent so far has been answered, or told to be lost. */
  async settled(): Promise<void> {
    await Promise.all(this.#sends);
  }

  /** Resolves when all that was sent is stored or refused. Rejects with {@linkcode CommandError} if that takes long. */
  async stored(): Promise<void> {
    await within(this.settled(), LATE);
    if (this.count > 0) throw new CommandError("what you wrote last is not stored yet; #N names another message, /last shows the numbers");
  }
}
