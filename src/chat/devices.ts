/** A user's sessions and devices: LOGIN, LOGOUT, DEVICES, REMOVE_DEVICE. */
import type { Router } from "../cluster/router.ts";
import type { Connection } from "../net/connection.ts";
import type { Session } from "../net/session.ts";
import type { Strangers } from "../net/strangers.ts";
import type { Counters } from "../ops/counters.ts";
import { answerCost } from "../ops/costs.ts";
import type { Limits } from "../ops/limits.ts";
import type { Departure } from "../presence/departure.ts";
import type { Login } from "../presence/login.ts";
import type { Device, Ended, Store } from "../store/store.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import type { Msg, Ref, Request } from "../wire/requests.ts";
import type { Appender } from "./appender.ts";
import type { Changes } from "./changes.ts";
import type { Welcome } from "./welcome.ts";

/** Lets devices in and out. */
export class Devices {
  /** Joins its parts. */
  constructor(
    private readonly parts: {
      store: Store;
      strangers: Strangers;
      login: Login;
      welcome: Welcome;
      departure: Departure;
      appender: Appender;
      changes: Changes;
      router: Router;
      counters: Counters;
      limits: Limits;
    },
  ) {}

  /** LOGIN, with its answer. Throws {@linkcode Refusal}, or what the store throws. */
  async login(connection: Connection, request: Request<typeof Msg.LOGIN>, ref: Ref | undefined): Promise<void> {
    const { strangers, login, welcome, departure, changes, limits, counters: { logins } } = this.parts;
    const loggedIn = await login.login(connection, request).catch((error) => {
      logins.add(error instanceof Refusal ? String(error.errno) : "failed");
      throw error;
    });
    const { session } = loggedIn;
    strangers.delete(connection);
    const before = connection.appended;
    try {
      await welcome.welcome(loggedIn, ref);
      limits.charge(session.userId, answerCost(connection.appended - before));
      logins.add("ok");
    } catch (error) {
      logins.add("failed");
      await departure.depart(session, "lost");
      this.#estranged(connection);
      throw error;
    }
    if (session.made) changes.made(session, { what: "devices" });
  }

  /** LOGOUT: the session, its token, and its device unless it is 0. The connection stays. */
  async logout(session: Session): Promise<void> {
    const { store, departure, appender, changes } = this.parts;
    const { userId, device, proof, connection } = session;
    await appender.answered(session);
    await session.endItself(async () => {
      if (device.id > 0) await store.removeDevice(userId, device.id);
      else if ("token" in proof) await store.removeToken(proof.token);
      await departure.depart(session, "logout");
    });
    this.#estranged(connection);
    if (device.id > 0) changes.made(session, { what: "devices" });
  }

  /** A connection that had a session has none any more: from now on it has as long to log in as one that comes. */
  #estranged(connection: Connection): void {
    connection.anonymousSince = performance.now();
    if (!connection.ending) this.parts.strangers.add(connection);
  }

  /** DEVICES: all of the user's. */
  async list(session: Session): Promise<{ devices: object[] }> {
    const devices = await this.parts.store.devices(session.userId);
    return { devices: devices.map((device) => shown(device, device.id === session.device.id)) };
  }

  /** REMOVE_DEVICE: one's own is LOGOUT. Throws {@linkcode Refusal}. */
  async remove(session: Session, { device }: Request<typeof Msg.REMOVE_DEVICE>): Promise<void> {
    const { store, changes } = this.parts;
    if (device === session.device.id) return await this.logout(session);
    const ended = await store.removeDevice(session.userId, device);
    if (!ended) throw new Refusal(Errno.NO_DEVICE);
    this.ended(ended);
    changes.made(session, { what: "devices" });
  }

  /** Sessions are to end, wherever they are; their nodes look for themselves as well. */
  ended(ended: Ended[]): void {
    for (const { node, userId, device, session } of ended) {
      this.parts.router.send([node], { type: "ended", cause: "kicked", key: { userId, device, session } });
    }
  }
}

function shown({ id, name, state, since, lastseen, address }: Device, own: boolean): object {
  return { id, name, state, since, lastseen, ...(address === null ? {} : { address }), ...(own ? { this: true } : {}) };
}
