/**
 * A user's row and the rows of the user's devices, locked until the transaction ends: what it decides on, and what it changes.
 *
 * 1. `user.state` and `user.node` follow from the devices' sessions, here alone: online exactly while a device has one; the node that holds all of them, so that
 *    storing a message needs not look at devices, but of users on several nodes.
 * 2. `lastseen` is when the last session ended, whatever the order in which ends are written: it never goes back.
 * 3. What every device that counts has confirmed goes from the log. A device counts unless it is more than `maxInbox` behind the log's end; the one that is
 *    furthest ahead always counts. Without any device it is what was confirmed.
 * 4. A new device, and one whose place is gone from the log, stand at the highest place that any device has confirmed ({@linkcode PLACE}).
 */

import type { DeviceId, Ended, State, UserId } from "../store.ts";
import { deleting, literal, numbers, pieces, tuple } from "./sql.ts";

/** Most entries that one transaction removes from one log: the next confirmation or departure goes on. */
const MOST_TRIMMED = 10_000;

/** A user's row, as far as transactions decide on it. */
export interface UserRow {
  id: UserId;
  state: State;
  /** Where all sessions of the user are; null: there is none, or they are on several nodes. */
  node: string | null;
  closed: number;
  /** The account is gone. */
  deleted: number;
  version: number;
  many: number;
  /** The last number that a device got. */
  last_device: number;
  last_seq: number;
  confirmed_seq: number;
  trimmed_seq: number;
  lastseen: number | null;
}

/** The columns of a {@linkcode UserRow}. */
export const USER_COLUMNS: readonly (keyof UserRow)[] = [
  ...["id", "state", "node", "closed", "deleted", "version", "many", "last_device", "last_seq", "confirmed_seq", "trimmed_seq", "lastseen"] as const,
];

/** A device's row. */
export interface DeviceRow {
  userid: UserId;
  device: DeviceId;
  name: string;
  created: number;
  confirmed_seq: number;
  session: string | null;
  node: string | null;
  incarnation: number | null;
  since: number | null;
  lastseen: number | null;
  address: string | null;
}

/** The columns of a {@linkcode DeviceRow}; those behind the first four may change. */
export const DEVICE_COLUMNS: readonly (keyof DeviceRow)[] = [
  ...["userid", "device", "name", "created", "confirmed_seq", "session", "node", "incarnation", "since", "lastseen", "address"] as const,
];
const CHANGING = DEVICE_COLUMNS.slice(4);

/** Where the device `d` of the user `u` stands. */
export const PLACE = "IF(d.confirmed_seq >= u.trimmed_seq, d.confirmed_seq, u.confirmed_seq)";

/** Who holds a device. */
type Holder = Pick<DeviceRow, "session" | "node" | "incarnation">;

/** A user whose row is locked. */
export class LockedUser {
  /** By number. */
  readonly devices: Map<DeviceId, DeviceRow>;
  /** What the row was when it was locked. */
  readonly before: Readonly<UserRow>;
  /** Devices whose rows are to be written. */
  readonly changed = new Set<DeviceRow>();
  /** Devices whose tokens are to go, and whose rows and subscriptions are, but for device 0. */
  readonly removed = new Set<DeviceRow>();

  constructor(readonly row: UserRow, devices: DeviceRow[], private readonly maxInbox: number) {
    this.before = { ...row };
    this.devices = new Map(devices.map((device) => [device.device, device]));
  }

  /** A device that there was not yet. */
  add(number: DeviceId, name: string, created: number): DeviceRow {
    const { row } = this;
    const holder = { session: null, node: null, incarnation: null, since: null, lastseen: null, address: null };
    const device = { userid: row.id, device: number, name, created, confirmed_seq: row.confirmed_seq, ...holder };
    this.devices.set(number, device);
    this.changed.add(device);
    row.last_device = Math.max(row.last_device, number);
    if (this.devices.size > 1) row.many = 1;
    return device;
  }

  /** The device has this session now. */
  begin(device: DeviceRow, holder: Holder & { since?: number; address?: string }): void {
    device.confirmed_seq = this.#place(device);
    Object.assign(device, holder);
    this.changed.add(device);
    this.#settle();
  }

  /** The device's session, if it has one, ended at that time. */
  end(device: DeviceRow, at: number): void {
    if (device.session === null) return;
    Object.assign(device, { session: null, node: null, incarnation: null, lastseen: Math.max(device.lastseen ?? 0, at) });
    this.changed.add(device);
    this.#settle();
    if (this.row.state === "online") return;
    this.row.lastseen = Math.max(this.row.lastseen ?? 0, ...[...this.devices.values()].map(({ lastseen }) => lastseen ?? 0));
  }

  #place({ confirmed_seq }: DeviceRow): number {
    return confirmed_seq >= this.row.trimmed_seq ? confirmed_seq : this.row.confirmed_seq;
  }

  #settle(): void {
    const nodes = new Set([...this.devices.values()].flatMap(({ node }) => node ?? []));
    this.row.state = nodes.size > 0 ? "online" : "offline";
    this.row.node = nodes.size === 1 ? [...nodes][0] : null;
  }

  /** Takes the device away, with its session and tokens; of device 0 the row stays. @returns the session that is to end. */
  remove(device: DeviceRow, at: number): Ended[] {
    const ended = endedOf([device]);
    this.end(device, at);
    this.removed.add(device);
    if (device.device !== 0) {
      this.devices.delete(device.device);
      this.changed.delete(device);
      this.trim();
    }
    return ended;
  }

  /** The device has handled everything up to `seq`. */
  confirm(device: DeviceRow, seq: number): void {
    const { row } = this;
    const place = Math.min(seq, row.last_seq);
    if (place <= device.confirmed_seq) return;
    device.confirmed_seq = place;
    row.confirmed_seq = Math.max(row.confirmed_seq, place);
    this.changed.add(device);
    this.trim();
  }

  /** Everything in the log of a user without devices goes, in steps. @returns whether there is something left. */
  clear(): boolean {
    const { row } = this;
    row.confirmed_seq = row.last_seq;
    this.trim();
    return row.trimmed_seq < row.last_seq;
  }

  /** What goes from the log, as a condition on its rows; undefined: nothing does. */
  get trimming(): string | undefined {
    const { row, before } = this;
    if (row.trimmed_seq === before.trimmed_seq) return undefined;
    return `userid = ${numbers([row.id])} AND seq BETWEEN ${numbers([before.trimmed_seq + 1])} AND ${numbers([row.trimmed_seq])}`;
  }

  /** Nothing goes from the log now: the next confirmation or departure goes on. */
  keepLog(): void {
    this.row.trimmed_seq = this.before.trimmed_seq;
  }

  /** Raises `trimmed_seq` as far as rule 3 allows. */
  trim(): void {
    const { row } = this;
    const places = [...this.devices.values()].map((device) => this.#place(device));
    const furthest = places.length > 0 ? Math.max(...places) : row.confirmed_seq;
    const upto = Math.min(furthest, ...places.filter((place) => row.last_seq - place <= this.maxInbox));
    row.trimmed_seq = Math.max(row.trimmed_seq, Math.min(upto, this.before.trimmed_seq + MOST_TRIMMED));
  }
}

/** The sessions of these devices. */
export function endedOf(devices: Iterable<DeviceRow>): Ended[] {
  return [...devices].flatMap(({ userid, device, session, node }) =>
    session === null || node === null ? [] : [{ userId: userid, device, session, node }]
  );
}

/** The statements that write what was changed of these users. */
export function writing(users: LockedUser[]): string[] {
  const removed = users.flatMap((user) => [...user.removed]);
  return [
    ...writingUsers(users.filter(({ row, before }) => USER_COLUMNS.some((column) => row[column] !== before[column]))),
    ...writingDevices(users.flatMap((user) => [...user.changed])),
    ...deletingOf("push", removed.filter(({ device }) => device !== 0)),
    ...deletingOf("device", removed.filter(({ device }) => device !== 0)),
    ...deletingOf("token", removed, "token_device"),
    ...trimming(users.flatMap(({ trimming }) => trimming ?? [])),
  ];
}

/** The statements that ask the nodes to end these sessions. */
export function asking(ended: Ended[], at: number): string[] {
  if (ended.length === 0) return [];
  const rows = ended.map(({ session, userId, device, node }) => tuple([session, userId, device, node, at]));
  return [`INSERT INTO kick (session, userid, device, node, at) VALUES ${rows.join()} ON DUPLICATE KEY UPDATE at = VALUES(at)`];
}

/** The statement that deletes a user's tokens. By that key: a small table would be scanned, and others' rows waited for. */
export function deletingTokens(userId: UserId): string {
  return `DELETE token FROM token FORCE INDEX (token_device) WHERE userid = ${numbers([userId])}`;
}

/** Ranges, which are not joined to a list: MariaDB scans the table where they are nearly all of a small one, whatever the hint. */
function trimming(wheres: string[]): string[] {
  return [...pieces(wheres)].map((piece) => `DELETE inbox FROM inbox FORCE INDEX (PRIMARY) WHERE ${piece.join(" OR ")}`);
}

function deletingOf(table: string, devices: DeviceRow[], index?: string): string[] {
  return [...pieces(devices)].map((piece) => deleting(table, ["userid", "device"], piece.map(({ userid, device }) => [userid, device]), index));
}

/** Only the columns that changed: most often that is one or two. */
function writingUsers(users: LockedUser[]): string[] {
  return [...pieces(users)].map((piece) => {
    const ids = numbers(piece.map(({ row }) => row.id));
    const columns = USER_COLUMNS.filter((column) => piece.some(({ row, before }) => row[column] !== before[column]));
    const set = columns.map((column) => {
      const values = piece.map(({ row }) => literal(row[column]));
      return `${column} = ${new Set(values).size === 1 ? values[0] : `ELT(FIELD(id, ${ids}), ${values})`}`;
    });
    return `UPDATE user FORCE INDEX (PRIMARY) SET ${set.join()} WHERE id IN (${ids})`;
  });
}

function writingDevices(devices: DeviceRow[]): string[] {
  const set = CHANGING.map((column) => `${column} = VALUES(${column})`).join();
  return [...pieces(devices)].map((piece) =>
    `INSERT INTO device (${DEVICE_COLUMNS}) VALUES ${piece.map((device) => tuple(DEVICE_COLUMNS.map((column) => device[column])))} ` +
    `ON DUPLICATE KEY UPDATE ${set}`
  );
}
