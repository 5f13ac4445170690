/**
 * What ordinary users notice of those who send as much as they can: 200 who each say something once a second, on a server with its limits.
 *
 *     deno run -A bench/abuse.ts [--rounds N] [--seconds N] [--abusers N] [--database mysql://…] [KIND …]
 *
 * Every kind is measured for some seconds without and with its abusers, in turns, and a JSON object is printed: how long a message takes from its sender to its
 * receiver (ms), the medians of all rounds, and the ratio of the p99, which should be below 2. `cpu`: the server's share of a core meanwhile. `turn`: its longest turn
 * of the event loop (ms), the median of the rounds, without and with. `held`: how long it computes between a PING and its PONG (`held.ts`), p99 and most of all rounds.
 * Unlike the others these two say something on a busy machine, too. `--abusers 1`: one of them alone.
 */
import { parseArgs } from "node:util";
import { makeHook } from "../src/chat/hooks.ts";
import type { Input } from "./abuser.ts";
import { Asking, type Held } from "./held.ts";
import { medians, Ordinary, type Summary } from "./ordinary.ts";
import { type Clients, hold, makeUsers, type Natter, startNatter, type User } from "./support.ts";
import { goAhead } from "./tools.ts";

const CHATTERS = 200;
/** Those who are in the large group, and those who know one another. */
const MEMBERS = 1000, FRIENDS = 400;
/** What waits for each of those who log in at once. */
const WAITING = 10_000, WAITERS = 14;

interface Kind {
  /** For the reader. */
  what: string;
  abusers: number;
  /** Before anything is measured. */
  prepare?: (natter: Natter, users: User[]) => Promise<Partial<Input> & { clients?: Clients }>;
}

const kinds: Record<string, Kind> = {
  ping: { what: "PING as fast as it is taken, four connections", abusers: 4 },
  garbage: { what: "lines that are refused before they are looked at, four connections", abusers: 4 },
  newlines: { what: "empty lines, sixteen connections", abusers: 16 },
  contacts: { what: `CONTACTS, ten users with ${FRIENDS} friends each`, abusers: 10, prepare: befriend },
  history: { what: "HISTORY of a hundred messages of 60 KB, ten users", abusers: 10, prepare: remember },
  notes: { what: "notes to oneself of 60 KB, four users", abusers: 4 },
  group: { what: `GROUP_CHAT of 60 KB to ${MEMBERS} online, one user`, abusers: 1, prepare: gather },
  typing: { what: `SIGNAL of 1 KB to ${MEMBERS} online, four users`, abusers: 4, prepare: gather },
  logins: { what: "LOGIN by token on new connections, 32 at a time, of eight users", abusers: 32 },
  passwords: { what: "LOGIN by password, 64 at a time", abusers: 64 },
  edits: { what: "EDIT of 5,000 different words, one user", abusers: 1, prepare: speak },
  reactions: { what: `REACT in a group of ${MEMBERS} online, four users`, abusers: 4, prepare: gather },
  searches: { what: "SEARCH for all that begins with a letter, ten users with 5,000 messages", abusers: 10, prepare: converse },
  conversations: { what: "CONVERSATIONS of a hundred with unread messages, ten users", abusers: 10, prepare: converse },
  reads: { what: `READ in a group of ${MEMBERS}, ten users`, abusers: 10, prepare: gather },
  uploads: { what: "POST /files of 4 MB, four users", abusers: 4 },
  hooks: { what: `POST /hooks of 50 KB to ${MEMBERS} online, four connections`, abusers: 4, prepare: gather },
  inboxes: { what: `${WAITERS} with ${WAITING} waiting messages each log in at once, over and over`, abusers: WAITERS, prepare: fill },
};

async function befriend(natter: Natter, users: User[]) {
  for (const user of users) {
    for (const { id } of await makeUsers(natter, FRIENDS)) await natter.store.addFriend(user.id, { id });
  }
  return {};
}

async function remember({ store }: Natter, users: User[]) {
  for (const { id } of users) {
    await store.append(Array.from({ length: 100 }, (_, i) => ({ sender: id, toid: id, msg: "x".repeat(60_000), ts: i })));
  }
  return {};
}

async function gather(natter: Natter, users: User[]) {
  const { store, port } = natter;
  const members = await makeUsers(natter, MEMBERS);
  const made = await store.createGroup(users[0]!.id, "all", "all", "") as { groupid: number };
  for (const { id } of [...users.slice(1), ...members]) await store.joinGroup(id, { id: made.groupid }, Date.now());
  const [said] = await store.append([{ sender: users[0]!.id, groupid: made.groupid, msg: "to all", ts: 1 }]);
  const hook = await makeHook(store, users[0]!.id, made.groupid, "build");
  return {
    group: made.groupid,
    messageid: (said as { messageid: number }).messageid,
    hook,
    clients: await hold(port, members),
  };
}

async function speak({ store }: Natter, users: User[]) {
  const [said] = await store.append([{ sender: users[0]!.id, toid: users[0]!.id, msg: "a note", ts: 1 }]);
  return { messageid: (said as { messageid: number }).messageid };
}

async function converse(natter: Natter, users: User[]) {
  const { store } = natter;
  const others = await makeUsers(natter, 100);
  for (const { id } of users) {
    for (let i = 0; i < 5000; i += 100) {
      await store.append(others.map((other, k) => ({ sender: other.id, toid: id, msg: `how do you do? ${i} ${k}`, ts: i })));
    }
  }
  while ((await store.index()).more);
  return {};
}

async function fill(natter: Natter, users: User[]) {
  const { store } = natter;
  const [sender] = await makeUsers(natter, 1);
  for (const { id } of users) {
    for (let i = 0; i < WAITING; i += 100) {
      await store.append(Array.from({ length: 100 }, () => ({ sender: sender!.id, toid: id, msg: "how do you do? ".repeat(5), ts: i })));
    }
  }
  while ((await store.index()).more);
  return {};
}

/** They begin, and go on until disposed of. */
async function begin(natter: Natter, kind: string, input: Input): Promise<AsyncDisposable> {
  const script = new URL("./abuser.ts", import.meta.url).pathname;
  const args = ["-n", "5", Deno.execPath(), "run", "-A", "--quiet", script, String(natter.port), "203.0.113.7", kind];
  const child = new Deno.Command("nice", { args, stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(input) + "\n"));
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await Promise.allSettled([child.status, reader.cancel(), writer.abort()]);
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

const { values, positionals } = parseArgs({
  args: Deno.args,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    abusers: { type: "string" },
    database: { type: "string" },
  },
  allowPositionals: true,
});
const seconds = Number(values.seconds);
// Whoever is measured, or measures, is ahead of those who do harm and of those who only listen: these are on machines of their own in truth.
await goAhead();
for (const kind of positionals.length > 0 ? positionals : Object.keys(kinds)) {
  const { what, prepare, ...usual } = kinds[kind]!;
  const abusers = Number(values.abusers ?? usual.abusers);
  const http = freePort();
  const flags = ["--limits", "on", "--max-connections", "10000", "--trusted-proxy", "127.0.0.1", "--http", `127.0.0.1:${http}`];
  const told = await Deno.makeTempFile();
  Deno.env.set("NATTER_BENCH_TURNS", told);
  await using natter = await startNatter({ ...(values.database ? { database: values.database } : {}), flags, turns: true, leads: true });
  const users = await makeUsers(natter, abusers);
  const { clients, ...prepared } = await prepare?.(natter, users) ?? {};
  await using ordinary = await Ordinary.start(natter, CHATTERS, true);
  using asking = await Asking.start(natter);
  const held = { without: [] as Held[], with: [] as Held[] };
  const rounds = { without: [] as Summary[], with: [] as Summary[] };
  const turns = { without: [] as number[], with: [] as number[] };
  let cpu = 0;
  /** The longest turn since then. */
  const longest = async (since: number) => {
    const lines = (await Deno.readTextFile(told)).trimEnd().split("\n").map((line) => line.split(" ").map(Number));
    return Math.max(0, ...lines.filter(([at]) => at! > since).map(([, turn]) => turn!));
  };
  for (let i = 0; i < Number(values.rounds); i++) {
    let begun = Date.now() + 500;
    const [without, heldWithout] = await Promise.all([ordinary.measure(seconds), asking.measure(seconds)]);
    rounds.without.push(without);
    held.without.push(heldWithout);
    turns.without.push(await longest(begun));
    begun = Date.now();
    await using _abuse = await begin(natter, kind, { users: kind === "logins" ? users.map((_, i) => users[i % 8]!) : users, http, ...prepared });
    const before = await natter.cpu();
    const [beside, heldBeside] = await Promise.all([ordinary.measure(seconds), asking.measure(seconds)]);
    rounds.with.push(beside);
    held.with.push(heldBeside);
    cpu += await natter.cpu() - before;
    turns.with.push(await longest(begun));
  }
  await Deno.remove(told);
  await clients?.[Symbol.asyncDispose]();
  const [without, beside] = [medians(rounds.without), medians(rounds.with)];
  const share = Number((cpu / seconds / Number(values.rounds)).toFixed(2));
  const middle = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  const turn = { without: middle(turns.without), with: middle(turns.with) };
  const worst = (rounds: Held[]) => ({ p99: Math.max(...rounds.map((r) => r.p99)), most: Math.max(...rounds.map((r) => r.most)) });
  console.log(
    JSON.stringify({
      kind,
      abusers,
      held: { without: worst(held.without), with: worst(held.with) },
      without,
      with: beside,
      p99_ratio: Number((beside.p99 / without.p99).toFixed(2)),
      cpu: share,
      turn,
      what,
    }),
  );
}
