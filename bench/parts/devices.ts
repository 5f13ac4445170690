/** What devices and groups may cost: against 0.1, against one device, against no groups. */
import { randomBytes } from "node:crypto";
import { TextLineStream } from "@std/streams/text-line-stream";
import { Passwords } from "../../src/auth/passwords.ts";
import { parseConfig } from "../../src/config/config.ts";
import { openStore } from "../../src/store/open.ts";
import { Load, type User } from "../load_generator.ts";
import { alternate, byRound, highestLoad, inWords, median, target, thousands } from "../measure.ts";
import { allOffline, makeUsers, type Natter } from "../support.ts";
import type { Part } from "./part.ts";

const CHAT = 6, RECEIVED = 12, PING = 13, PROTO = 3;

/** CHAT of users with one device, in turns with 0.1. */
export const chatOneDevice: Part = async ({ scale, natter, natter01 }) => {
  await using before = await natter01();
  if (!before) return [{ row: "chat-one-device", figure: undefined, detail: "left out: this clone does not go back to 0.1" }];
  await using server = await natter();
  await using stack = new AsyncDisposableStack();
  // A difference of 5 % shows in more rounds than other rows need.
  const { now, then } = await alternate({ ...scale, rounds: 2 * scale.rounds }, {
    now: stack.use(await target(server, await makeUsers(server, 200), { msgid: CHAT, proto: PROTO })),
    then: stack.use(await target(before, await before.makeUsers(200), { msgid: CHAT })),
  });
  return [{
    row: "chat-one-device",
    figure: byRound(now, then, (a, b) => a.rate / b.rate),
    detail: `${inWords("natter", now)}, ${inWords("0.1", then)}`,
    load: highestLoad(now, then),
  }];
};

/** CHAT between users who all have three devices online, which is delivered to six, beside users who have one. */
export const chatThreeDevices: Part = async ({ scale, natter }) => {
  // A device begins with a password, which takes a tenth of a second; as much is in flight as among 100 pairs.
  const pairs = scale.rounds > 1 ? 20 : 4, devices = 3, common = { msgid: CHAT, proto: PROTO, window: 5 };
  await using server = await natter();
  const many = await withDevices(server, 2 * pairs, devices);
  await using stack = new AsyncDisposableStack();
  const { one, three } = await alternate(scale, {
    one: stack.use(await target(server, await makeUsers(server, 2 * pairs), common)),
    three: stack.use(await target(server, many, { ...common, devices })),
  });
  return [{
    row: "chat-three-devices",
    figure: byRound(three, one, (a, b) => a.cpu_us * 2 * devices / b.cpu_us),
    detail: `${inWords("deliveries, three devices each", three)}, ${inWords("one", one)}`,
    load: highestLoad(one, three),
  }];
};

/** Login by token of users in 20 groups of 1,000, beside users in none. */
export const loginGroups: Part = async ({ scale, natter }) => {
  const groups = 20, count = scale.users(1000);
  await using server = await natter();
  const [members, others] = [await makeUsers(server, count), await makeUsers(server, count)];
  // Who joins is told to all who are in it, some ten million times: next to nothing of that is kept by a store whose logs are full at once.
  const store = await openStore(parseConfig(["--database", server.url, "--max-inbox", "1"], () => undefined));
  for (let i = 0; i < groups; i++) {
    const created = await store.createGroup(members[0]!.id, `group ${i}`, `group ${i}`, "");
    if (typeof created === "string") throw new Error("no group");
    const { groupid } = created;
    await Promise.all(members.slice(1).map(({ id }) => store.joinGroup(id, { id: groupid }, Date.now())));
  }
  await store.close();
  // Nothing waits for anybody: what is measured is the login.
  for (let i = 0; i < count; i += 100) await Promise.all(members.slice(i, i + 100).map((user) => catchUp(server.port, user)));
  await allOffline(server.store, members);
  const bytes = (await firstLine(server.port, { msgid: 1, proto: PROTO, ...members[1]! })).length;
  const seconds = { members: [] as number[], others: [] as number[] };
  await using stack = new AsyncDisposableStack();
  const loads = {
    members: stack.use(await Load.start(server.port, members, { proto: PROTO })),
    others: stack.use(await Load.start(server.port, others, { proto: PROTO })),
  };
  // The first time is for warming up.
  for (let round = 0; round <= scale.rounds; round++) {
    for (const [who, users] of [["members", members], ["others", others]] as const) {
      const login = await loads[who].login();
      await loads[who].drop();
      await allOffline(server.store, users);
      if (round > 0) seconds[who].push(login.seconds);
    }
  }
  const rates = (who: "members" | "others") => seconds[who].map((s) => thousands(count / s)).join(", ");
  return [
    {
      row: "login-groups",
      figure: median(seconds.members.map((s, i) => s / seconds.others[i]!)),
      detail: `${groups} groups of ${count}: rounds ${rates("members")}/s; without ${rates("others")}/s`,
    },
    { row: "login-groups-size", figure: bytes / 1000, detail: `LOGIN_ACK of a user in ${groups} groups of ${count}: ${bytes} bytes` },
  ];
};

/** Users with so many named devices each, a token for each, those of one user one after the other. */
async function withDevices(server: Natter, count: number, devices: number): Promise<User[]> {
  const password = "a password", hash = await new Passwords().hash(password);
  const made: User[] = [];
  for (let i = 0; i < count; i++) {
    const name = randomBytes(8).toString("hex");
    const id = (await server.store.createUser(name, name, hash))!;
    for (let device = 1; device <= devices; device++) {
      const line = await firstLine(server.port, { msgid: 1, proto: PROTO, id, password, device: `device ${device}` });
      made.push({ id, token: (JSON.parse(line) as { token: string }).token });
    }
  }
  await allOffline(server.store, made);
  return made;
}

/** Sends one request on a connection of its own. @returns the line that answers it */
async function firstLine(port: number, request: object): Promise<string> {
  using conn = await Deno.connect({ port });
  return (await linesOf(conn, request).next()).value!;
}

/** Logs in, reads what waits, confirms it and goes. */
async function catchUp(port: number, user: User): Promise<void> {
  using conn = await Deno.connect({ port });
  const lines = linesOf(conn, { msgid: 1, proto: PROTO, ...user });
  const { confirmed, last } = (JSON.parse((await lines.next()).value!) as { inbox: { confirmed: number; last: number } }).inbox;
  if (last === confirmed) return;
  while ((JSON.parse((await lines.next()).value!) as { seq?: number }).seq !== last);
  await conn.write(new TextEncoder().encode(JSON.stringify({ msgid: RECEIVED, seq: last }) + "\n" + JSON.stringify({ msgid: PING, ref: 1 }) + "\n"));
  await lines.next();
}

async function* linesOf(conn: Deno.Conn, request: object): AsyncGenerator<string, undefined> {
  await conn.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
  yield* conn.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}
