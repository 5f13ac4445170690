import type { DeviceId, UserId } from "../store/store.ts";

/** A device of a user as the key of a Map. */
export function deviceKey({ userId, device }: { userId: UserId; device: DeviceId }): string {
  return `${userId}/${device}`;
}
