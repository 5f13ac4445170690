/** What a server tells its clients of itself at login. */
import deno from "../../deno.json" with { type: "json" };

/** Most bytes of an answer, but for one message that is longer by itself. */
export const ANSWER_BYTES = 256 * 1024;
/** What a message has beside the line it came in (bytes), at most: names, times, numbers. */
const AROUND = 1024;

/** What the settings decide of it. */
export interface TermsConfig {
  /** `--heartbeat` (s). */
  heartbeat: number;
  /** `--max-line`. */
  maxLine: number;
  /** `--max-group`. */
  maxGroup: number;
  /** `--max-devices`. */
  maxDevices: number;
  /** `--directory`. */
  directory: boolean;
}

/** The terms on which a server talks. */
export class Terms {
  /** Seconds of silence before a PING. */
  readonly heartbeat: number;
  /** For clients of 0.1: bytes of a line, members of a group. */
  readonly oldLimits: { line: number; group: number };
  /** Bytes of a line to the server and of one from it, members of a group, named devices of a user. */
  readonly limits: { line: number; answer: number; group: number; devices: number };
  /** What this server offers beyond what every one does. */
  readonly features: readonly string[];
  /** natter's version. */
  readonly version: string = deno.version;

  /** As the settings say. */
  constructor({ heartbeat, maxLine, maxGroup, maxDevices, directory }: TermsConfig) {
    this.heartbeat = heartbeat;
    this.oldLimits = { line: maxLine, group: maxGroup };
    this.limits = { line: maxLine, answer: Math.max(ANSWER_BYTES, maxLine + AROUND), group: maxGroup, devices: maxDevices };
    this.features = [...(maxDevices > 0 ? ["devices"] : []), ...(directory ? ["directory"] : [])];
  }
}
