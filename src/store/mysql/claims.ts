/**
 * Who gets a device.
 *
 * 1. Claims of the same moment share a transaction (`gather.ts`): one round trip locks their users and reads the devices, the tokens and the leases, one writes
 *    and commits. Each is decided on what is read under the lock, after those before it in the batch: nobody takes the device over between the two.
 * 2. The leases are read without locking them, or a claim that waits for a row would keep its node from renewing. So a claim may commit beside the reaping of
 *    its node; the incarnation that it writes is an old one then (`node.ts`).
 * 3. A batch of claims that meets a lock is given up after one lock wait, with nothing changed: only the user whose row is locked waits on.
 */

import type { Buffer } from "node:buffer";
import { MAX_TOKENS } from "../records.ts";
import type { Claim, Claiming, Store, StoreLimits } from "../store.ts";
import { gathered } from "./gather.ts";
import type { DeviceRow, LockedUser } from "./locked_user.ts";
import type { NodeLife } from "./node.ts";
import { deleting, literal, LONGEST_LIST, numbers, tuple } from "./sql.ts";
import type { Users } from "./users.ts";

/** What a claim is decided on beside its user. */
interface Leases {
  /** This node. */
  name: string;
  incarnation: number;
  /** The nodes whose lease is valid, by the database's clock, and their incarnations. */
  valid: Map<string, number>;
}

/** A token as {@linkcode findingProofs} gives it. */
export interface ProofRow {
  hash: Buffer;
  userid: number;
  device: number;
}

const VALID = "SELECT name, incarnation FROM node WHERE lease_until > UTC_TIMESTAMP(3)";

export function claims(users: Users, node: NodeLife, limits: StoreLimits): Pick<Store, "claim"> {
  return {
    claim: gathered(async (asked: Claiming[], alone: boolean): Promise<Claim[]> => {
      if (!node.identity) return asked.map(() => ({ result: "fenced" }));
      const { name, incarnation } = node.identity;
      const tokens = findingProofs(asked);
      return await users.change(asked.map(({ userId }) => userId), (locked, [valid, ...read]) => {
        const proofs = read.splice(0, tokens.length).flat() as ProofRow[];
        const old = read.flat() as Pick<ProofRow, "hash" | "userid">[];
        const leases = { name, incarnation, valid: new Map((valid as Leases[]).map((row) => [row.name, row.incarnation])) };
        const given: string[] = [];
        const result = asked.map((claiming): Claim => {
          const user = locked.get(claiming.userId);
          const claim = decide(claiming, user, proofs, leases, limits);
          if (claim.result === "claimed" && claiming.token) {
            given.push(tuple([claiming.token.hash, claiming.userId, claim.device.id, claiming.token.expires]));
          }
          return claim;
        });
        const going = old.filter(({ userid }) => asked.some(({ userId, token }, i) => userId === userid && token && result[i]!.result === "claimed"));
        const removing = going.length > 0 ? [deleting("token", ["hash"], going.map(({ hash }) => [hash]))] : [];
        const giving = given.length > 0 ? [`INSERT INTO token (hash, userid, device, expires) VALUES ${given}`] : [];
        return { result, statements: [...removing, ...giving] };
      }, { reading: [VALID, ...tokens, ...findingOldTokens(asked)], patient: alone });
    }),
  };
}

/** The statement that gives the tokens by which these are proved; none, if there are none. */
export function findingProofs(asked: readonly Pick<Claiming, "proof">[]): string[] {
  const hashes = asked.flatMap(({ proof }) => "token" in proof ? [literal(proof.token)] : []);
  return hashes.length > 0 ? [`SELECT hash, userid, device FROM token WHERE hash IN (${hashes})`] : [];
}

/** The statements that give the tokens of device 0 in whose places new ones come: those that expire first, if there are as many as there may be. */
function findingOldTokens(asked: readonly Claiming[]): string[] {
  const users = new Set(asked.flatMap(({ userId, device, token }) => token && device === 0 ? [userId] : []));
  return [...users].map((userId) =>
    `SELECT hash, userid FROM token FORCE INDEX (token_device) WHERE userid = ${numbers([userId])} AND device = 0 ORDER BY expires DESC ` +
    `LIMIT ${LONGEST_LIST} OFFSET ${MAX_TOKENS - 1}`
  );
}

/** Whether the proof holds, for that device of the user. */
export function isProved({ row }: LockedUser, device: Claiming["device"], proof: Claiming["proof"], tokens: readonly ProofRow[]): boolean {
  if ("version" in proof) return proof.version === row.version;
  return tokens.some((token) => token.userid === row.id && token.device === device && token.hash.equals(proof.token));
}

function decide(
  { proof, device: wanted, session, takeover, at, address }: Claiming,
  user: LockedUser | undefined,
  tokens: ProofRow[],
  { name, incarnation, valid }: Leases,
  { maxDevices }: StoreLimits,
): Claim {
  if (valid.get(name) !== incarnation) return { result: "fenced" };
  if (!user || user.row.deleted) return { result: "refused", errno: "INVALID" };
  if (!isProved(user, wanted, proof, tokens)) return { result: "refused", errno: "INVALID" };
  if (user.row.closed) return { result: "refused", errno: "CLOSED" };

  let device: DeviceRow | undefined;
  let removed: DeviceRow | undefined;
  if (typeof wanted === "number") {
    device = user.devices.get(wanted);
    if (!device && wanted !== 0) return { result: "refused", errno: "INVALID" };
    if (device && device.session !== null && device.node !== null && device.session !== session && device.session !== takeover) {
      if (device.node === name || valid.has(device.node)) return { result: "held", session: device.session, node: device.node };
    }
    device ??= user.add(0, "", at);
  } else {
    const named = [...user.devices.values()].filter(({ device }) => device !== 0);
    if (named.length >= maxDevices) {
      removed = longestAway(named);
      if (!removed) return { result: "refused", errno: "FULL" };
      user.remove(removed, at);
    }
    device = user.add(user.row.last_device + 1, wanted.name, at);
  }
  user.begin(device, { session, node: name, incarnation, since: at, address });
  return { result: "claimed", device: { id: device.device, name: device.name }, removed: removed?.device };
}

/** Of those without a session the one that was away longest. */
function longestAway(devices: DeviceRow[]): DeviceRow | undefined {
  return devices.filter(({ session }) => session === null).sort((a, b) => away(a) - away(b) || a.device - b.device)[0];
}

function away({ lastseen, since, created }: DeviceRow): number {
  return Math.max(lastseen ?? 0, since ?? 0, created);
}
