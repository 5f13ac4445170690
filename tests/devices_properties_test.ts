// Whatever a user's devices do, and however often they or the server go: what each device received, by seq and made unique, is the log from that device's
// beginning on, without a gap, the same on every device, and all of it is what was acknowledged, each once, one's own among it.

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { databaseTest } from "./support/databases.ts";
import type { Message, RawClient } from "./support/raw_client.ts";
import { type ServerProcess, spawnServer } from "./support/server.ts";

const RUNS = 6, MOST_DEVICES = 4;
const PASSWORD = "three of them";

type Step =
  | { do: "hear"; count: number }
  | { do: "say" | "note"; device: number; count: number }
  | { do: "confirm" | "disconnect" | "reset" | "connect" | "remove"; device: number }
  | { do: "add" }
  | { do: "restart" }
  /** SIGKILL while this device and the other user are sending. */
  | { do: "kill"; device: number; count: number };

const device = fc.nat({ max: MOST_DEVICES - 1 }), count = fc.integer({ min: 1, max: 5 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("hear" as const), count }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("say" as const, "note" as const), device, count }) },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constantFrom("confirm" as const, "disconnect" as const, "reset" as const, "connect" as const), device }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), device }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("add" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const), device, count: fc.integer({ min: 20, max: 60 }) }) },
  ),
  { minLength: 10, maxLength: 40 },
);

/** One device of a user: what it was sent, by seq. */
class Device {
  client: RawClient | undefined;
  token: string | undefined;
  /** The place that it began at. */
  begin: number | undefined;
  readonly received = new Map<number, string>();

  constructor(readonly user: { id: number }, readonly name: string) {}

  async connect(server: ServerProcess): Promise<void> {
    if (this.client) return;
    const client = await server.connect();
    const how = this.token === undefined ? { password: PASSWORD, device: this.name } : { token: this.token };
    // A former connection of this device may be dying still.
    const ack = await client.request({ msgid: 1, id: this.user.id, proto: 3, takeover: true, ...how });
    assertEquals(ack.errno, 0, JSON.stringify(ack));
    assertEquals((ack.device as { name: string }).name, this.name);
    this.token = ack.token;
    const { confirmed } = ack.inbox as { confirmed: number };
    this.begin ??= confirmed;
    assert(confirmed <= this.begin + this.received.size, "the server skipped what this device has not seen");
    this.client = client;
  }

  take({ seq, mid }: Message): void {
    const before = this.received.get(seq!);
    if (before !== undefined) assertEquals(mid, before, "a seq brought two messages");
    this.received.set(seq!, mid!);
  }

  /** Takes all up to this seq. */
  async takeUpTo(last: number): Promise<void> {
    while (this.begin! + this.received.size < last) this.take(await this.client!.next((m) => m.msgid === 6));
  }

  async leave(how: "close" | "rst"): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await client?.[how]();
    for (const message of client?.backlog ?? []) if (message.msgid === 6) this.take(message);
  }
}

/** A user with three devices at first, and another one who talks with them. */
class Life {
  readonly devices: Device[] = [];
  /** Of all that was acknowledged. */
  readonly acknowledged = new Set<string>();
  other: Device;
  #made = 0;
  #sent = 0;

  constructor(readonly user: { id: number }, other: { id: number }, public server: ServerProcess, readonly restart: () => Promise<ServerProcess>) {
    this.other = new Device(other, "other's");
  }

  async add(): Promise<void> {
    if (this.devices.length === MOST_DEVICES) return;
    const made = new Device(this.user, `device ${++this.#made}`);
    await made.connect(this.server);
    this.devices.push(made);
  }

  async run(step: Step): Promise<void> {
    if (step.do === "add") return await this.add();
    if (step.do === "restart") return await this.stop("SIGTERM");
    if (step.do === "hear") return await this.send(this.other, this.user.id, step.count);
    const device = this.devices[step.device % this.devices.length]!;
    if (step.do === "connect") await device.connect(this.server);
    else if (step.do === "disconnect") await device.leave("close");
    else if (step.do === "reset") await device.leave("rst");
    else if (step.do === "say") await this.send(device, this.other.user.id, step.count);
    else if (step.do === "note") await this.send(device, this.user.id, step.count);
    else if (step.do === "remove") await this.remove(device);
    else if (step.do === "kill") await this.kill(device, step.count);
    else if (device.client) {
      const seqs = [...device.received.keys()];
      for (const message of device.client.backlog.filter((m) => m.msgid === 6)) seqs.push(message.seq!);
      if (seqs.length > 0) device.client.send({ msgid: 12, seq: Math.max(...seqs) });
    }
  }

  async send(device: Device, toid: number, count: number): Promise<void> {
    await device.connect(this.server);
    const mids = Array.from({ length: count }, () => `m${this.#sent++}`);
    for (const mid of mids) device.client!.send({ msgid: 6, toid, msg: mid, ref: mid, mid });
    for (const mid of mids) {
      assertEquals((await device.client!.next((m) => m.ref === mid)).errno, 0);
      this.acknowledged.add(mid);
    }
  }

  /** Removed by another of the user's devices; one at least stays. */
  async remove(device: Device): Promise<void> {
    const by = this.devices.find((d) => d !== device);
    if (!by) return;
    await by.connect(this.server);
    const { devices } = await by.client!.request({ msgid: 33 }) as unknown as { devices: { id: number; name: string }[] };
    const { id } = devices.find(({ name }) => name === device.name)!;
    assertEquals((await by.client!.request({ msgid: 34, device: id })).errno, 0);
    if (device.client) await device.client.closed;
    this.devices.splice(this.devices.indexOf(device), 1);
    const again = await this.server.connect();
    assertEquals((await again.request({ msgid: 1, id: this.user.id, token: device.token, proto: 3 })).errno, 1);
    await again.close();
  }

  /** What was on its way may have been stored or not; sent again with its mid, it is stored once. */
  async kill(device: Device, count: number): Promise<void> {
    await Promise.all([device.connect(this.server), this.other.connect(this.server)]);
    const mids = Array.from({ length: count }, () => `m${this.#sent++}`);
    const send = (mid: string, i: number) => {
      const [from, toid] = i % 2 ? [device, this.other.user.id] : [this.other, this.user.id];
      from.client!.send({ msgid: 6, toid, msg: mid, ref: mid, mid });
      return from.client!;
    };
    mids.forEach(send);
    await device.client!.next((m) => mids.includes(m.ref as string));
    await this.stop("SIGKILL");
    await Promise.all([device.connect(this.server), this.other.connect(this.server)]);
    for (const [i, mid] of mids.entries()) {
      assertEquals((await send(mid, i).next((m) => m.ref === mid && m.msgid === 11)).errno, 0);
      this.acknowledged.add(mid);
    }
  }

  async stop(signal: Deno.Signal): Promise<void> {
    await this.server.stop(signal);
    await this.leave();
    this.server = await this.restart();
  }

  async leave(): Promise<void> {
    for (const device of [...this.devices, this.other]) await device.leave("close");
  }

  async check(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.connect(this.server)));
    const last = this.acknowledged.size;
    for (const device of this.devices) await device.takeUpTo(last);
    const log = new Map<number, string>();
    for (const device of this.devices) {
      assertEquals([...device.received.keys()].sort((a, b) => a - b), Array.from({ length: last - device.begin! }, (_, i) => device.begin! + i + 1));
      for (const [seq, mid] of device.received) assertEquals(log.get(seq) ?? mid, mid, `two devices were sent different messages as ${seq}`);
      for (const [seq, mid] of device.received) log.set(seq, mid);
    }
    assertEquals(new Set(log.values()).size, log.size, "a message stands there twice");
    assert([...log.values()].every((mid) => this.acknowledged.has(mid)));
    const first = Math.min(...this.devices.map((device) => device.begin!));
    assertEquals(log.size, last - first);
  }
}

databaseTest(`devices: what each is sent is the log, whatever dies, in ${RUNS} random lives`, async (db) => {
  let run = 0;
  const start = () => spawnServer(db, { limits: "off" }, { cheap: true });
  // Each life goes on with the server that the one before ended with.
  let server = await start();
  const check = async (script: Step[]) => {
    const registering = await server.connect();
    const name = `run${++run}`;
    const user = await registering.register(name, PASSWORD) as { id: number };
    const other = await registering.register(`${name}'s friend`, PASSWORD) as { id: number };
    await registering.close();
    const life = new Life(user, other, server, start);
    try {
      for (let i = 0; i < 3; i++) await life.add();
      for (const step of script) await life.run(step);
      await life.check();
    } finally {
      await life.leave();
      server = life.server;
    }
  };
  try {
    await fc.assert(fc.asyncProperty(steps, check), { numRuns: RUNS, endOnFailure: true });
  } finally {
    await server.stop("SIGKILL");
  }
});
