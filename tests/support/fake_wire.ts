/** The far end of a client's transport, without a network: a test plays the server, line by line. */
import type { Connect, TransportEvents } from "../../src/client/transport.ts";
import { Msg, type Request } from "../../src/client/protocol.ts";

/** A server that a test plays. `wire.connect` is for the client under test. */
export class FakeWire {
  /** While true, nobody answers: attempts to connect fail. */
  down = false;
  /** How often a client tried to connect. */
  attempts = 0;
  readonly #accepted = new Mailbox<FakeConnection>();

  readonly connect: Connect = (events) => {
    this.attempts++;
    if (this.down) return Promise.reject(new Error("connection refused"));
    const connection = new FakeConnection(events);
    this.#accepted.put(connection);
    return Promise.resolve({
      send: (line) => connection.heard(line),
      close: () => Promise.resolve(connection.gone()),
    });
  };

  /** The next connection a client makes. */
  accept(): Promise<FakeConnection> {
    return this.#accepted.take();
  }

  /** Accepts the next connection and lets its login succeed. `fields` change the LOGIN_ACK. */
  async login(fields: Record<string, unknown> = {}): Promise<FakeConnection> {
    const connection = await this.accept();
    this.answerLogin(connection, await connection.next(Msg.LOGIN), fields);
    return connection;
  }

  /** Lets a login succeed. */
  answerLogin(connection: FakeConnection, request: Request, fields: Record<string, unknown> = {}): void {
    connection.answer(request, {
      msgid: Msg.LOGIN_ACK,
      id: 1,
      name: "alice",
      proto: 3,
      device: { id: 1, name: "a test" },
      friends: [],
      groups: [],
      blocked: [],
      invited: [],
      token: "t1",
      heartbeat: 60,
      limits: { line: 65536, answer: 262144, group: 2000, devices: 20 },
      features: [],
      version: "1.0.0",
      ...fields,
      inbox: { epoch: "e1", confirmed: 0, last: 0, ...fields.inbox as object },
    });
  }
}

/** One connection, as the server sees it. */
export class FakeConnection {
  /** Resolves when the client has closed. */
  readonly closed: Promise<void>;
  readonly #events: TransportEvents;
  readonly #requests = new Mailbox<Request>();
  #resolveClosed!: () => void;

  constructor(events: TransportEvents) {
    this.#events = events;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
  }

  /** What the client has sent and nobody took yet. */
  get waiting(): Request[] {
    return this.#requests.items;
  }

  /** Takes the next message of the client, which has to be of that kind. */
  async next(msgid: number): Promise<Request> {
    const request = await this.#requests.take();
    if (request.msgid !== msgid) throw new Error(`Expected a ${msgid}, got ${JSON.stringify(request)}`);
    return request;
  }

  send(message: object): void {
    this.#events.line(JSON.stringify(message));
  }

  /** Answers a request with errno 0 and these fields, or with what they say. */
  answer(request: Request, fields: Record<string, unknown> = {}): void {
    this.send({ msgid: Msg.REPLY, re: request.msgid, ref: request.ref, errno: 0, ...fields });
  }

  /** An ordinary CHAT with this `seq`; `fields` change it. */
  chat(seq: number, fields: Record<string, unknown> = {}): void {
    this.send({
      msgid: Msg.CHAT,
      id: 2,
      name: "bob",
      toid: 1,
      msg: `m${seq}`,
      time: "2026-01-01 00:00:00",
      ts: 1767225600000,
      messageid: 100 + seq,
      seq,
      ...fields,
    });
  }

  /** Breaks the connection. */
  drop(): void {
    this.#events.close();
  }

  /** @internal */
  heard(line: string): void {
    this.#requests.put(JSON.parse(line));
  }

  /** @internal */
  gone(): void {
    this.#resolveClosed();
  }
}

/** What was put and not taken, in order. Taking waits for 30 s at most. */
class Mailbox<T> {
  readonly items: T[] = [];
  #waiting: ((item: T) => void) | undefined;

  put(item: T): void {
    if (this.#waiting) this.#waiting(item);
    else this.items.push(item);
  }

  take(): Promise<T> {
    const item = this.items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(new Error("Nothing came within 30 s"));
      }, 30_000);
      this.#waiting = (item) => {
        clearTimeout(timer);
        this.#waiting = undefined;
        resolve(item);
      };
    });
  }
}
