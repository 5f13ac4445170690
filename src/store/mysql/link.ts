// One connection to the database, with a deadline for every statement.

import net from "node:net";
import type { Connection, ConnectionOptions, createConnection, ResultSetHeader } from "mysql2";
import { StoreUnavailable } from "../store.ts";
import { type DriverError, isLost, lockConflict, reason } from "./errors.ts";
import type { HeldRows } from "./held_rows.ts";
import type { Value } from "./sql.ts";

/** Where and as whom to connect. */
export interface Target {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  ssl: boolean;
}

/** mysql2's, which is imported only when a MySQL store is opened. */
export type Driver = { createConnection: typeof createConnection };

const MYSQL_CONNECT_MS = 5000;
const STATEMENT_MS = 6000;

// What every connection starts with. READ COMMITTED: no gap locks. wait_timeout: what a machine that died held is free after 15 s. The lock wait is the
// shortest there is (MySQL looks once a second, so it may take two): with what a transaction holds already others wait, too (`held_rows.ts`). Ids rise by one,
// whatever the server's settings.
const SESSION = [
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
  "SET SESSION wait_timeout = 15, innodb_lock_wait_timeout = 1, auto_increment_increment = 1, auto_increment_offset = 1, " +
  "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
];

function closing(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.closed ? resolve() : socket.once("close", () => resolve()));
}

/**
 * A connection that one caller uses at a time. Every method throws
 * {@linkcode StoreUnavailable} when the connection broke or the deadline passed: it is `lost` then, its socket destroyed;
 * {@linkcode LockConflict} for deadlocks and lock waits;
 * the driver's error for what the database refuses (a defect, or a duplicate key).
 */
export class Link {
  /** Nothing can be sent any more. */
  lost = false;
  /** It is lost because an answer did not come in time. */
  timedOut = false;
  /** It was idle before: a failure may just mean that it died then. */
  reused = false;
  /** Rows that others hold, if it is one of a pool. */
  held: HeldRows | undefined;
  /** Called once, when it is lost. */
  onLost: () => void = () => {};
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;

  #waiting = new Set<(error: Error) => void>();

  private constructor(readonly target: Target, private readonly connection: Connection, private readonly socket: net.Socket) {
    this.closed = closing(socket);
    connection.on("error", (error: Error) => this.destroy(error));
    connection.on("end", () => this.destroy());
  }

  /**
   * Connects. Rejects with the driver's error, so that the caller may tell a refusal from an outage.
   * While it lasts, its socket is in `opening`: destroying it ends the attempt.
   */
  static async connect(driver: Driver, target: Target, opening = new Set<net.Socket>()): Promise<Link> {
    const socket = net.connect(target.port, target.host);
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    opening.add(socket);
    try {
      const config: ConnectionOptions = {
        host: target.host,
        user: target.user,
        password: target.password,
        database: target.database || undefined,
        charset: "utf8mb4_bin",
        connectTimeout: MYSQL_CONNECT_MS,
        trace: false,
        // The rows found, not the rows changed, are what `affectedRows` counts.
        flags: ["FOUND_ROWS"],
        // For `script`. Prepared statements are one each all the same.
        multipleStatements: true,
        stream: () => socket,
      };
      if (target.ssl) config.ssl = { rejectUnauthorized: true, verifyIdentity: true };
      const connection = driver.createConnection(config);
      connection.on("error", () => {});
      await new Promise<void>((resolve, reject) => connection.connect((error) => error ? reject(error) : resolve()));
      const link = new Link(target, connection, socket);
      for (const sql of SESSION) await link.command(sql);
      return link;
    } catch (error) {
      socket.destroy();
      await closing(socket);
      throw error;
    } finally {
      opening.delete(socket);
    }
  }

  /** The server's number of this connection. */
  get threadId(): number {
    return this.connection.threadId;
  }

  /** A statement without parameters that cannot be prepared: BEGIN, COMMIT, SET, DDL. */
  async command(sql: string): Promise<void> {
    await this.#answer((done) => this.connection.query(sql, done), STATEMENT_MS);
  }

  /**
   * Several statements in one round trip, each one's rows in its place; what follows one that fails is not run. They are not prepared: what
   * is written into them is written by `numbers` and `literal` (`sql.ts`).
   */
  async script(statements: string[]): Promise<unknown[]> {
    if (statements.length === 0) return [];
    const results = await this.#answer((done) => this.connection.query(statements.join("; "), done), STATEMENT_MS);
    return statements.length === 1 ? [results] : results as unknown[];
  }

  /** A prepared SELECT. */
  async rows<T>(sql: string, params: Value[] = [], deadline = STATEMENT_MS): Promise<T[]> {
    return await this.#answer((done) => this.connection.execute(sql, params, done), deadline) as T[];
  }

  /** A prepared INSERT, UPDATE or DELETE. `affectedRows` counts the rows found, changed or not. */
  async change(sql: string, params: Value[] = [], deadline = STATEMENT_MS): Promise<{ affectedRows: number; insertId: number }> {
    return await this.#answer((done) => this.connection.execute(sql, params, done), deadline) as ResultSetHeader;
  }

  #answer(send: (done: (error: DriverError | null, result: unknown) => void) => void, deadline: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.lost) return reject(this.#unavailable(new Error("the connection is closed")));
      const timer = setTimeout(() => {
        this.timedOut = true;
        this.destroy(new Error(`no answer within ${deadline / 1000} s`));
      }, deadline);
      const giveUp = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      this.#waiting.add(giveUp);
      const done = (error: DriverError | null, result: unknown) => {
        clearTimeout(timer);
        this.#waiting.delete(giveUp);
        if (!error) return resolve(result);
        const conflict = lockConflict(error);
        if (conflict) return reject(conflict);
        if (isLost(error)) {
          this.destroy(error);
          return reject(this.#unavailable(error));
        }
        if (error.errno === undefined) this.destroy(error);
        reject(error);
      };
      try {
        send(done);
      } catch (error) {
        // A value that cannot be sent: a defect.
        done(error as Error, undefined);
      }
    });
  }

  #unavailable(error: Error): StoreUnavailable {
    return new StoreUnavailable(`the database at ${this.target.host}:${this.target.port}: ${reason(error)}`, { cause: error });
  }

  /** Ends it at once; what waits for an answer rejects. Never `connection.end()`, which waits for a database that may be frozen. */
  destroy(cause: Error = new Error("the connection was closed")): void {
    if (this.lost) return;
    this.lost = true;
    this.socket.destroy();
    for (const giveUp of this.#waiting) giveUp(this.#unavailable(cause));
    this.#waiting.clear();
    this.onLost();
  }
}
