/**
 * What the store's contract says of users, devices, sessions and logs, as simply as it can be said: everything in memory, nothing at once, nothing lost.
 * The store must do the same (`tests/store_properties_test.ts`).
 */

/** A device. */
export interface ModelDevice {
  name: string;
  /** Up to where it has confirmed. */
  place: number;
  session: string | undefined;
  lastseen: number | null;
  /** When it came, was here, or went, last. */
  used: number;
  tokens: Set<number>;
}

/** A user. */
export class ModelUser {
  /** All that ever stood in the log, in order. */
  readonly log: string[] = [];
  confirmed = 0;
  trimmed = 0;
  /** Has had more than one device. */
  many = false;
  lastDevice = 0;
  readonly devices = new Map<number, ModelDevice>();
  lastseen: number | null = null;

  constructor(readonly limits: { maxInbox: number; maxDevices: number }) {}

  online(): boolean {
    return [...this.devices.values()].some((device) => device.session !== undefined);
  }

  /** Where a device stands; one whose place is gone, and one that there is not, where the user does. */
  place(id: number): number {
    const device = this.devices.get(id);
    return device && device.place >= this.trimmed ? device.place : this.confirmed;
  }

  /** What waits in the log, with its numbers. */
  waiting(): [number, string][] {
    return this.log.map((text, i): [number, string] => [i + 1, text]).slice(this.trimmed);
  }

  make(id: number, name: string, at: number): void {
    this.devices.set(id, { name, place: this.confirmed, session: undefined, lastseen: null, used: at, tokens: new Set() });
    if (this.devices.size > 1) this.many = true;
  }

  /** Gives a device's place to a new one, if there are too many. @returns which one, or FULL */
  makeRoom(): number | undefined | "FULL" {
    const named = [...this.devices].filter(([id]) => id > 0);
    if (named.length < this.limits.maxDevices) return undefined;
    const away = named.filter(([, device]) => device.session === undefined).sort(([, a], [, b]) => a.used - b.used);
    if (away.length === 0) return "FULL";
    this.remove(away[0]![0]);
    return away[0]![0];
  }

  claim(id: number, session: string, at: number): void {
    const device = this.devices.get(id)!;
    device.place = this.place(id);
    device.session = session;
    device.used = at;
  }

  /** Whether the session was that of the device. */
  release(id: number, session: string, at: number): boolean {
    const device = this.devices.get(id);
    if (device?.session !== session) return false;
    device.session = undefined;
    device.lastseen = Math.max(device.lastseen ?? 0, at);
    device.used = Math.max(device.used, at);
    if (!this.online()) this.lastseen = Math.max(this.lastseen ?? 0, ...[...this.devices.values()].map((d) => d.lastseen ?? 0));
    return true;
  }

  confirm(id: number, session: string, seq: number): void {
    const device = this.devices.get(id);
    if (device?.session !== session) return;
    const place = Math.min(seq, this.log.length);
    if (place <= device.place) return;
    device.place = place;
    this.confirmed = Math.max(this.confirmed, place);
    this.trim();
  }

  /** All at once: which of the others counts is asked when these are gone. */
  remove(...ids: number[]): void {
    for (const id of ids) this.devices.delete(id);
    this.trim();
  }

  trim(): void {
    const places = [...this.devices.keys()].map((id) => this.place(id));
    const ahead = Math.max(...places);
    const counting = places.filter((place) => place === ahead || this.log.length - place <= this.limits.maxInbox);
    this.trimmed = Math.max(this.trimmed, counting.length > 0 ? Math.min(...counting) : this.confirmed);
  }

  /** Whether the log took it: others' up to the limit, one's own up to twice that. @returns its number there */
  take(text: string, own: boolean): number | undefined {
    if (this.log.length - this.confirmed >= (own ? 2 : 1) * this.limits.maxInbox) return undefined;
    return this.log.push(text);
  }
}
