/** The checks: how they are written down, what they are given, and how they are run. */
import { Client, LimitReached, type Message } from "./client.ts";
import type { Target } from "./target.ts";

/** One thing that a rule of docs/protocol.md says. */
export interface Check {
  /** The rule's number. */
  rule: string;
  /** What is so. */
  title: string;
  /** It takes seconds; such are begun first. */
  slow?: boolean;
  /** The transports it can be seen over; all unless told otherwise. */
  over?: Target["kind"][];
  run: (stage: Stage) => Promise<void>;
}

/** The check cannot be made against this server; the text says why. */
export class Skip extends Error {
  override name = "Skip";
}

/** Someone with a session. */
export interface Member {
  id: number;
  name: string;
  password: string;
  token: string;
  /** The connection that the session is on. */
  client: Client;
  ack: Message;
}

/** Where a device stands in the log, and where that ends, as LOGIN_ACK tells it. */
export function placeOf(ack: Message): { confirmed: unknown; last: unknown } {
  const { confirmed, last } = ack.inbox as Record<string, unknown>;
  return { confirmed, last };
}

/** What a check works with: connections and users of its own. */
export class Stage {
  readonly #clients: Client[] = [];
  #cleared = false;

  constructor(readonly target: Target) {}

  async connect(): Promise<Client> {
    const client = await Client.connect(this.target);
    this.#clients.push(client);
    if (this.#cleared) await this.clear();
    return client;
  }

  /** A new account, and a connection that is not logged in to it. */
  async account(): Promise<{ id: number; name: string; password: string; client: Client }> {
    const client = await this.connect();
    const name = `c-${randomText()}`, password = `p-${randomText()}`;
    const { errno, id, errmsg } = await client.register(name, password);
    if (errno !== 0) throw new Error(`REGISTER was refused: ${errno} ${errmsg}`);
    return { id: id!, name, password, client };
  }

  /** A new user with a modern session. */
  async member(): Promise<Member> {
    const account = await this.account();
    const ack = await account.client.login({ id: account.id, password: account.password, proto: 3 });
    if (ack.errno !== 0) throw new Error(`LOGIN was refused: ${ack.errno} ${ack.errmsg}`);
    return { ...account, token: ack.token as string, ack };
  }

  /** As many new users. */
  members(count: number): Promise<Member[]> {
    return Promise.all(Array.from({ length: count }, () => this.member()));
  }

  /** Leaves and comes back on a new connection; the server has seen the end of the old one. */
  async again<T extends { client: Client; id: number; token: string }>(member: T): Promise<T & { ack: Message }> {
    await member.client.close();
    const client = await this.connect();
    const ack = await client.login({ id: member.id, token: member.token, proto: 3 });
    if (ack.errno !== 0) throw new Error(`LOGIN by token was refused: ${ack.errno} ${ack.errmsg}`);
    return { ...member, client, ack };
  }

  /** Closes all connections; what waits for something to come to them is rejected. */
  async clear(): Promise<void> {
    this.#cleared = true;
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

/** What became of a check. */
export type Outcome = { result: "ok" } | { result: "skipped" | "failed" | "limited"; why: string };

/** Checks at the same time. */
const PARALLEL = 8;

/**
 * Runs all checks against a server. `said` is called with each outcome, in the order of the checks.
 *
 * @returns the outcomes. Throws {@linkcode LimitReached} as soon as the server's limits stop one.
 */
export async function runChecks(target: Target, checks: readonly Check[], said: (check: Check, outcome: Outcome) => void): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let told = 0, limited: string | undefined;
  const stages = new Set<Stage>();
  const order = checks.map((_, i) => i).sort((a, b) => Number(checks[b].slow ?? false) - Number(checks[a].slow ?? false));
  const work = async () => {
    for (let i = order.shift(); i !== undefined && limited === undefined; i = order.shift()) {
      const stage = new Stage(target);
      stages.add(stage);
      const outcome = outcomes[i] = await outcomeOf(stage, checks[i]);
      stages.delete(stage);
      if (outcome.result === "limited") {
        limited = outcome.why;
        await Promise.all([...stages].map((other) => other.clear()));
      }
      for (; outcomes[told] && limited === undefined; told++) said(checks[told], outcomes[told]);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  if (limited !== undefined) throw new LimitReached(limited);
  return outcomes;
}

async function outcomeOf(stage: Stage, check: Check): Promise<Outcome> {
  const { kind } = stage.target;
  if (check.over && !check.over.includes(kind)) return { result: "skipped", why: `not over ${kind}` };
  try {
    await check.run(stage);
    return { result: "ok" };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof LimitReached) return { result: "limited", why };
    return { result: error instanceof Skip ? "skipped" : "failed", why };
  } finally {
    await stage.clear();
  }
}

/** 12 characters that nobody else has. */
export function randomText(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 12);
}
