/** What the checks talk with: it sends what it is told, collects what comes, and does nothing by itself but answer PING, if it is to. */
import { open, type Target, type Wire } from "./target.ts";

/** A line of the server. The fields that most checks look at are typed. */
export interface Message {
  msgid: number;
  errno?: number;
  errmsg?: string;
  ref?: number | string;
  re?: number;
  id?: number;
  name?: string;
  msg?: string;
  mid?: string;
  seq?: number;
  messageid?: number;
  ts?: number;
  [field: string]: unknown;
}

/** The server's limits do not let the suite go on; the text says which. */
export class LimitReached extends Error {
  override name = "LimitReached";
}

/** How long an answer may take (ms); one that waits for a password's hash, behind those of others. */
const PATIENCE = 20_000, HASH_PATIENCE = 60_000;
/** A request that may be made again so soon (ms) is: a user's units come in again. What takes longer is an address's, and there is no waiting for that. */
const SOON = 3000;

interface Waiter {
  matches: (message: Message) => boolean;
  resolve: (message: Message) => void;
  reject: (error: Error) => void;
}

/** One connection. */
export class Client {
  /** What came and was not taken. */
  readonly backlog: Message[] = [];
  /** The lines as they came. */
  readonly lines: string[] = [];
  /** PING is answered, and not seen otherwise. */
  answersPings = true;
  #wire!: Wire;
  #waiters = new Set<Waiter>();
  #ended = Promise.withResolvers<void>();
  #failure: Error | undefined;
  /** What is said of its end. */
  #end = "the server closed the connection";
  #lastRef = 0;
  /** The refs of requests that may be made again. */
  readonly #asked = new Set<unknown>();

  /** Connects. Rejects if it cannot. */
  static async connect(target: Target): Promise<Client> {
    const client = new Client();
    client.#wire = await open(target, { line: (line) => client.#read(line), end: () => client.#fail(new Error(client.#end)) });
    return client;
  }

  /** Sends a message as a line. */
  send(message: object): void {
    void this.line(JSON.stringify(message));
  }

  /** Sends this as a line. */
  line(text: string): Promise<void> {
    return this.write(text + this.#wire.lineEnd);
  }

  /** Sends exactly this. What the other end does not take any more is dropped; reading tells. */
  write(data: string | Uint8Array): Promise<void> {
    return this.#wire.write(data).catch(() => {});
  }

  /** FIN. TCP only. */
  closeWrite(): Promise<void> {
    return this.#wire.closeWrite();
  }

  /** Takes the first message that matches. Rejects after `ms`, at the end of the connection, or with {@linkcode LimitReached}. */
  next(matches: (message: Message) => boolean = () => true, ms = PATIENCE): Promise<Message> {
    const at = this.backlog.findIndex(matches);
    if (at >= 0) return Promise.resolve(this.backlog.splice(at, 1)[0]);
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiter.reject(new Error(`nothing of the kind came within ${ms} ms`)), ms);
      const settle = <T>(then: (value: T) => void) => (value: T) => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        then(value);
      };
      const waiter: Waiter = { matches, resolve: settle(resolve), reject: settle(reject) };
      this.#waiters.add(waiter);
    });
  }

  /** Sends a request with a `ref` and takes the answer that carries it, whatever its errno; where that is 15, the same again when its `retry` is over. */
  async request(message: object, ms?: number): Promise<Message> {
    for (;;) {
      const ref = ++this.#lastRef;
      this.#asked.add(ref);
      this.send({ ...message, ref });
      const answer = await this.next((m) => m.ref === ref, ms).finally(() => this.#asked.delete(ref));
      if (answer.errno !== 15) return answer;
      await this.pause(answer.retry as number);
    }
  }

  /** REGISTER. */
  register(name: string, password: string): Promise<Message> {
    return this.request({ msgid: 4, name, password }, HASH_PATIENCE);
  }

  /** LOGIN. */
  login(fields: object): Promise<Message> {
    return this.request({ msgid: 1, ...fields }, HASH_PATIENCE);
  }

  /** What came until now, with an answer behind it, so that nothing of it is under way any more. */
  async settled(): Promise<Message[]> {
    await this.request({ msgid: 13 });
    return this.backlog;
  }

  /** Lets time (ms) pass. Rejects if the connection ends meanwhile. */
  async pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, ms);
    await Promise.race([over.promise, this.#ended.promise]).finally(() => clearTimeout(timer));
    if (this.#failure) throw this.#failure;
  }

  /** Resolves when the server has ended the connection. Rejects if it does not within `ms`. */
  async closed(ms = PATIENCE): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`the server did not close the connection within ${ms} ms`)), ms);
    await Promise.race([this.#ended.promise, late.promise]).finally(() => clearTimeout(timer));
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }

  #read(line: string): void {
    this.lines.push(line);
    let message: Message;
    try {
      message = JSON.parse(line);
    } catch {
      return this.#fail(new Error(`the server said what is no JSON: ${line.slice(0, 100)}`));
    }
    if (message.errno === 15 && !(this.#asked.has(message.ref) && message.retry as number <= SOON)) {
      return this.#fail(new LimitReached(`errno 15: ${message.errmsg}`));
    }
    if (message.msgid === 20) this.#end = `the server closed the connection (GOODBYE ${message.reason})`;
    if (message.msgid === 20 && (message.reason === "limits" || message.reason === "full")) {
      return this.#fail(new LimitReached(`GOODBYE ${message.reason}: it takes no more connections from here`));
    }
    if (message.msgid === 13 && this.answersPings) return this.send({ msgid: 14 });
    const waiter = [...this.#waiters].find((w) => w.matches(message));
    if (waiter) waiter.resolve(message);
    else this.backlog.push(message);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiter of [...this.#waiters]) waiter.reject(this.#failure);
    this.#ended.resolve();
  }
}
