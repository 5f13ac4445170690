/** What a server tells its clients of itself at login. */
import type { Address, Registration } from "../config/config.ts";
import { formatAddress } from "../net/listen.ts";
import deno from "../../deno.json" with { type: "json" };

/** Most bytes of an answer, but for one message that is longer by itself. */
export const ANSWER_BYTES = 256 * 1024;
/** What a message has beside the line it came in (bytes), at most: ten files with long names take 10 KiB, twenty reactions 4. */
const AROUND = 16 * 1024;

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
  /** `--push`. */
  push: "on" | "off" | "any";
  /** `--directory`. */
  directory: boolean;
  /** `--registration`. */
  registration: Registration;
  /** `--invites`. */
  invites: "operator" | "members";
  /** Most bytes of a file; undefined: there are none. */
  file: number | undefined;
  /** `--url`. */
  url: string | undefined;
  /** `--http`. */
  http: Address | undefined;
  /** `--https`. */
  https: Address | undefined;
}

/** Where the page is. */
export type Listening = { http?: Address | undefined; https?: Address | undefined };

/** The terms on which a server talks. */
export class Terms {
  /** Seconds of silence before a PING. */
  readonly heartbeat: number;
  /** For clients of 0.1: bytes of a line, members of a group. */
  readonly oldLimits: { line: number; group: number };
  /** Bytes of a line to the server and of one from it, members of a group, named devices of a user, bytes of a file if there are files. */
  readonly limits: { line: number; answer: number; group: number; devices: number; file?: number };
  /** What this server offers beyond what every one does. */
  readonly features: readonly string[];
  /** Who may make an account. */
  readonly registration: Registration;
  /** Members may invite to the server. */
  readonly invites: boolean;
  /** How it is reached over HTTP, without a slash at the end; where nothing was said of it, with the port that was picked once it listens. */
  get url(): string {
    return this.#url;
  }
  #url: string;
  /** `--url` said it. */
  readonly #said: boolean;
  /** natter's version. */
  readonly version: string = deno.version;

  /** As the settings say. */
  constructor({ heartbeat, maxLine, maxGroup, maxDevices, push, directory, registration, invites, file, url, http, https }: TermsConfig) {
    this.heartbeat = heartbeat;
    this.oldLimits = { line: maxLine, group: maxGroup };
    const answer = Math.max(ANSWER_BYTES, maxLine + AROUND);
    this.limits = { line: maxLine, answer, group: maxGroup, devices: maxDevices, ...(file === undefined ? {} : { file }) };
    this.registration = registration;
    this.invites = registration === "invite" && invites === "members";
    this.#said = url !== undefined;
    this.#url = url ?? urlOf({ http, https });
    const offered = { devices: maxDevices > 0, push: push !== "off" && maxDevices > 0, directory, invites: this.invites, files: file !== undefined };
    this.features = Object.entries(offered).flatMap(([feature, there]) => there ? [feature] : []);
  }

  /** It listens there now. */
  listening(addresses: Listening): void {
    if (!this.#said) this.#url = urlOf(addresses);
  }
}

function urlOf({ http, https }: Listening): string {
  return https ? `https://${formatAddress(https)}` : http ? `http://${formatAddress(http)}` : "";
}
