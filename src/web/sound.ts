/** Two short notes for what comes while the page is not in front. They are made here: there is no file to fetch. */
import { readPreference, writePreference } from "./state/storage.ts";

/** The notes (Hz), how long each sounds (s), and how loud (of 1). */
const NOTES = [659, 880], LENGTH = 0.12, VOLUME = 0.15;
/** What comes within this time (ms) sounds once. */
const TOGETHER = 2000;

export class Sound {
  #context: AudioContext | undefined;
  #last = -Infinity;

  constructor() {
    // Browsers let a page sound once its user has touched it, some only if it was made ready in that moment.
    const touched = () => {
      removeEventListener("pointerdown", touched, true);
      removeEventListener("keydown", touched, true);
      this.#context = new AudioContext();
      void this.#context.suspend().catch(() => {});
    };
    addEventListener("pointerdown", touched, true);
    addEventListener("keydown", touched, true);
  }

  /** Whether the user wants it; unless switched off, yes. */
  get on(): boolean {
    return readPreference("sound") !== "off";
  }

  set on(on: boolean) {
    writePreference("sound", on ? undefined : "off");
  }

  /** Sounds, if the user wants it and the page may. @returns whether it does, or has just done */
  ring(): boolean {
    const context = this.#context;
    if (!this.on || !context) return false;
    if (performance.now() - this.#last < TOGETHER) return true;
    this.#last = performance.now();
    void this.#play(context).catch(() => {});
    return true;
  }

  async #play(context: AudioContext): Promise<void> {
    await context.resume();
    const gain = context.createGain();
    gain.connect(context.destination);
    const begin = context.currentTime;
    NOTES.forEach((hertz, i) => {
      const note = context.createOscillator(), from = begin + i * LENGTH;
      note.frequency.value = hertz;
      note.connect(gain);
      // Without edges, which click.
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(VOLUME, from + 0.01);
      gain.gain.linearRampToValueAtTime(0, from + LENGTH);
      note.start(from);
      note.stop(from + LENGTH);
      // Meanwhile nothing runs.
      if (i === NOTES.length - 1) note.onended = () => void context.suspend().catch(() => {});
    });
  }
}
