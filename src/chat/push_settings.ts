/** PUSH: whether a device is told of messages while it is away. */
import type { Session } from "../net/session.ts";
import { areKeys } from "../push/encryption.ts";
import type { Notifier } from "../push/notifier.ts";
import type { Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Request } from "../wire/requests.ts";

/** What a device is told of itself. */
export interface PushState {
  /** By which push services know this server, in base64url: a subscription is made for it. */
  key: string;
  /** Where the device is told; absent: nowhere. */
  endpoint?: string;
  /** Whether what is said goes along. */
  text?: boolean;
}

/** Keeps where devices are told. */
export class PushSettings {
  /** `notifier` undefined: this server pushes nothing. `any`: private addresses are as good as public ones. */
  constructor(private readonly parts: { store: Store; notifier: Notifier | undefined; any: boolean }) {}

  /** Changes what is given, and tells what is so. Throws {@linkcode Refusal}. */
  async push(session: Session, { endpoint, keys, text, off }: Request<typeof Msg.PUSH>): Promise<PushState> {
    const { store, notifier, any } = this.parts;
    const { userId, device: { id: device } } = session;
    if (endpoint !== undefined && keys) {
      const { faultOfEndpoint } = await import("../push/address.ts");
      const fault = faultOfEndpoint(endpoint, any);
      if (fault !== undefined) throw new Refusal(Errno.BAD_FIELD, `endpoint ${fault}`);
      if (!await areKeys(keys.p256dh, keys.auth)) throw new Refusal(Errno.BAD_FIELD, "keys are no point of P-256 and 16 bytes");
    }
    if (device === 0) throw new Refusal(Errno.NO_DEVICE, "only a device with a name is pushed to");
    if (!notifier) throw new Refusal(Errno.NOT_YOURS, "this server pushes nothing");
    const publicKey = await notifier.publicKey();
    const subscription = endpoint !== undefined && keys ? { endpoint, p256dh: keys.p256dh, auth: keys.auth, text } : undefined;
    if (subscription || off) {
      if (!await store.setPush(session.key, subscription)) throw new Refusal(Errno.NO_DEVICE);
      if (subscription) notifier.subscribed(userId);
      return { key: publicKey, ...subscription ? { endpoint: subscription.endpoint, text } : {} };
    }
    const there = (await store.pushesOf(userId)).find((one) => one.device === device);
    return { key: publicKey, ...there ? { endpoint: there.endpoint, text: there.text } : {} };
  }
}
