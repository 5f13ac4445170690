/** What users say of themselves: PROFILE. */
import type { Session } from "../net/session.ts";
import type { Profile, Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";
import type { Changes } from "./changes.ts";

/** Keeps profiles. */
export class Profiles {
  readonly #store: Store;
  readonly #changes: Changes;

  /** Joins its parts. */
  constructor(store: Store, changes: Changes) {
    this.#store = store;
    this.#changes = changes;
  }

  /** PROFILE: changes what is given, and tells all of it. Throws {@linkcode Refusal}. */
  async profile(session: Session, { about, receipts, avatar }: Request<typeof Msg.PROFILE>): Promise<Profile> {
    const changes = about !== undefined || receipts !== undefined || avatar !== undefined;
    const change = { about, receipts, avatar: avatar === "" ? null : avatar };
    const profile = changes ? await this.#store.setProfile(session.userId, change) : await this.#store.profile(session.userId);
    if (!profile) throw new Refusal(Errno.NO_USER);
    if (profile === "NO_MESSAGE") throw new Refusal(Errno.NO_MESSAGE, "no such picture");
    if (changes) this.#changes.made(session, { what: "profile" });
    return profile;
  }
}
