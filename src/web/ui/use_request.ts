/** Something that is asked of the server by a form: whether it is under way, and what went wrong. */
import { useRef, useState } from "preact/hooks";
import { explain } from "../format.ts";

interface UseRequest {
  busy: boolean;
  /** Not "": where nothing is to be shown, an empty text would be drawn anew each time, and what is around it laid out again. */
  error: string | undefined;
  /** The error was about something else than what is shown now. */
  forget(): void;
  /**
   * Runs it; behind what runs, since of two choices the last one counts. What must not be done twice is asked for by a button that is disabled meanwhile.
   * `particular` says what an errno means here. @returns whether it succeeded
   */
  run(what: () => Promise<unknown>, particular?: Record<number, string>): Promise<boolean>;
}

/** @param say what a failure is called, for the user */
export function useRequest(say: (failure: unknown, particular?: Record<number, string>) => string = explain): UseRequest {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  /** What was asked for last, until it is over. */
  const last = useRef<Promise<boolean> | undefined>(undefined);
  const go = async (what: () => Promise<unknown>, particular?: Record<number, string>) => {
    setBusy(true);
    setError(undefined);
    try {
      await what();
      return true;
    } catch (failure) {
      setError(say(failure, particular));
      return false;
    }
  };
  const run: UseRequest["run"] = async (what, particular) => {
    const before = last.current;
    const mine = before ? before.then(() => go(what, particular)) : go(what, particular);
    last.current = mine;
    const succeeded = await mine;
    if (last.current === mine) {
      last.current = undefined;
      setBusy(false);
    }
    return succeeded;
  };
  return { busy, error, run, forget: () => setError(undefined) };
}
