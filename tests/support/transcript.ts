/**
 * The transcripts of docs/protocol.md, as a test plays them. The document explains the notation to its readers; here is what else is to be known:
 *
 * 1. The block's header says who has an account before it begins; who is not `(away)` is logged in on a connection of that name. Any other name in front
 *    of a line is a connection more, opened when it first says something.
 * 2. What a `<placeholder>` stands for is taken from the first line of the server that has it; from then on it must be the same.
 * 3. The server's line must be what the document says, byte for byte, and at the end of a block the server must have said nothing else.
 */
import { hashCode, newCode } from "../../src/auth/codes.ts";
import { randomBytes } from "node:crypto";
import { assertEquals } from "@std/assert";
import { StoreUnavailable } from "../../src/store/store.ts";
import { StoreWatch } from "./around_store.ts";
import { testDatabase } from "./databases.ts";
import type { Message, RawClient } from "./raw_client.ts";
import { startServer, type TestServer } from "./server.ts";

/** One line of a transcript. `line` is its number in the document. */
export type Step =
  & { line: number }
  & (
    | { kind: "client" | "server"; who: string; text: string; times: number; orMore: boolean }
    | { kind: "client closes" | "server closes" | "and so on"; who: string }
    | { kind: "happens"; what: string }
  );

/** One block. */
export interface Transcript {
  line: number;
  /** Who has an account, and whether they are logged in when it begins. */
  people: { name: string; away: boolean }[];
  /** Flags of the server. */
  settings: Record<string, string>;
  steps: Step[];
}

/** All blocks of a Markdown text. Throws at a line that is none. */
export function transcriptsOf(markdown: string): Transcript[] {
  const transcripts: Transcript[] = [];
  let open: Transcript | undefined;
  for (const [i, text] of markdown.split("\n").entries()) {
    const line = i + 1;
    if (open && text === "```") open = undefined;
    else if (open) open.steps.push(stepOf(text, line));
    else if (text.startsWith("```transcript")) transcripts.push(open = headerOf(text, line));
  }
  return transcripts;
}

function headerOf(text: string, line: number): Transcript {
  const found = /^```transcript(?: ((?:[a-z]+(?: \(away\))?(?:, )?)+))?(?: with((?: --[a-z-]+ \S+)+))?$/.exec(text);
  if (!found) throw new Error(`line ${line}: not the header of a transcript: ${text}`);
  const [, people = "", settings = ""] = found;
  return {
    line,
    people: people.split(", ").filter(Boolean).map((p) => ({ name: p.split(" ")[0], away: p.endsWith("(away)") })),
    settings: Object.fromEntries([...settings.matchAll(/--(\S+) (\S+)/g)].map(([, name, value]) => [name, value])),
    steps: [],
  };
}

function stepOf(line: string, number: number): Step {
  const what = /^\((.*)\)$/.exec(line)?.[1];
  if (what !== undefined) return { line: number, kind: "happens", what };
  const found = /^(?:([a-z]+) )?([CS]): (.*?)(?: × (\d+)( or more)?)?$/.exec(line);
  if (!found) throw new Error(`line ${number}: not a line of a transcript: ${line}`);
  const [, who = "", side, text, times = "1", orMore] = found;
  if (text === "(closes)") return { line: number, kind: side === "C" ? "client closes" : "server closes", who };
  if (text === "…") return { line: number, kind: "and so on", who };
  return { line: number, kind: side === "C" ? "client" : "server", who, text, times: Number(times), orMore: orMore !== undefined };
}

/** Plays a transcript against a server of its own. Throws an Error that names the line. @param proto of those who are logged in when it begins */
export async function play(transcript: Transcript, proto = 3): Promise<void> {
  await using db = await testDatabase("sqlite");
  const watch = new StoreWatch();
  await using server = await startServer(db, { heartbeat: 10, ...transcript.settings }, { store: watch.wrap, times: { kicks: 20 } });
  // Those who are there before it begins were invited, where that is needed.
  const invite = transcript.settings.registration === "invite" ? newCode() : undefined;
  if (invite) {
    const store = await db.open();
    await store.addInvite({ hash: hashCode(invite)!, inviter: undefined, uses: transcript.people.length, expires: 1e15 }, 0, 1);
    await store.close();
  }
  const stage = new Stage(server, watch, proto);
  try {
    for (const { name, away } of transcript.people) await stage.enter(name, away, invite);
    for (const step of transcript.steps) {
      try {
        await stage.step(step);
      } catch (error) {
        throw new Error(`docs/protocol.md, line ${step.line}: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
    }
    await stage.nothingElse();
  } finally {
    watch.around = (call) => call.run();
    await stage.clear();
  }
}

const PATTERNS: Record<string, string> = {
  time: "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d",
  token: "[A-Za-z0-9_-]{43}",
  incident: "[0-9a-f]{8}",
  epoch: "[0-9a-z]+",
  features: '[a-z",]*',
  code: "[A-Za-z0-9_-]{22}",
  key: "[A-Za-z0-9_-]{22}",
  point: "[A-Za-z0-9_-]{87}",
  version: "[0-9]+\\.[0-9]+\\.[0-9]+",
};
const PLACEHOLDER = /<([a-z]+\d*)>/g;

/** `<a line of 1025 bytes>` is not written out. */
function longLine(text: string): string | undefined {
  const bytes = /^<a line of (\d+) bytes>$/.exec(text)?.[1];
  return bytes && "x".repeat(Number(bytes));
}

/** A server, those who talk to it, and what the placeholders stand for. */
class Stage {
  readonly #server: TestServer;
  readonly #watch: StoreWatch;
  readonly #proto: number;
  readonly #clients = new Map<string, RawClient>();
  readonly #values = new Map<string, string>();
  /** Connections of which nothing more is asked. */
  readonly #over = new Set<string>();

  constructor(server: TestServer, watch: StoreWatch, proto: number) {
    this.#server = server;
    this.#proto = proto;
    this.#watch = watch;
  }

  async enter(name: string, away: boolean, invite: string | undefined): Promise<void> {
    const client = await this.#server.connect();
    const { id } = await client.request({ msgid: 4, name, password: "secret", invite });
    this.#values.set(name, String(id));
    if (away) return await client.close();
    assertEquals((await client.login({ name, password: "secret", proto: this.#proto })).errno, 0);
    this.#clients.set(name, client);
  }

  async step(step: Step): Promise<void> {
    if (step.kind === "happens") return await this.#happens(step.what);
    const { who } = step;
    const client = this.#clients.get(who) ?? await this.#server.connect();
    this.#clients.set(who, client);
    switch (step.kind) {
      case "client":
        return client.sendBytes((this.#filled(longLine(step.text) ?? step.text) + "\n").repeat(step.times));
      case "server":
        for (let i = 0; i < step.times; i++) this.#expect(await client.next(), step.text);
        if (step.orMore) await this.#skip(client, step.text);
        return;
      case "and so on":
        this.#over.add(who);
        return;
      case "server closes":
        assertEquals(await client.closed, "fin");
        assertEquals(client.backlog, []);
        this.#over.add(who);
        return;
      case "client closes":
        client.fin();
        this.#over.add(who);
        await client.closed;
    }
  }

  async nothingElse(): Promise<void> {
    for (const [who, client] of this.#clients) {
      if (this.#over.has(who)) continue;
      await client.request({ msgid: 13 });
      assertEquals(client.backlog, [], `more than the document says came to ${who || "the client"}`);
    }
  }

  async clear(): Promise<void> {
    for (const client of this.#clients.values()) await client.close();
  }

  #expect(message: Message, text: string): void {
    const said = JSON.stringify(message);
    const found = this.#patternOf(text).exec(said);
    if (!found) assertEquals(said, this.#filled(text, (name) => `<${name}>`));
    for (const [name, value] of Object.entries(found?.groups ?? {})) this.#values.set(name, value);
  }

  /** Takes more of the same. */
  async #skip(client: RawClient, text: string): Promise<void> {
    const pattern = this.#patternOf(text);
    let next = await client.next();
    while (pattern.test(JSON.stringify(next))) next = await client.next();
    client.backlog.unshift(next);
  }

  /** With the values that are known; each that is not is a group of its name, and the same again where it stands again. */
  #patternOf(text: string): RegExp {
    const seen = new Set<string>();
    const pattern = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(PLACEHOLDER, (_, name: string) => {
      const value = this.#values.get(name);
      if (value !== undefined) return value;
      if (seen.has(name)) return `\\k<${name}>`;
      seen.add(name);
      return `(?<${name}>${PATTERNS[name.replace(/\d+$/, "")] ?? "\\d+"})`;
    });
    return new RegExp(`^${pattern}$`);
  }

  #filled(text: string, unknown?: (name: string) => string): string {
    return text.replace(PLACEHOLDER, (_, name: string) => {
      const value = this.#values.get(name) ?? unknown?.(name);
      if (value === undefined) throw new Error(`nobody has said what <${name}> is`);
      return value;
    });
  }

  async #happens(what: string): Promise<void> {
    const [, command, name] = /^an operator: natter (ban|kick) ([a-z]+)$/.exec(what) ?? [];
    if (command) return await this.#operate(command, Number(this.#values.get(name)));
    const [, uploader, file] = /^([a-z]+) uploads (\S+): it is <file>$/.exec(what) ?? [];
    if (uploader) return await this.#upload(Number(this.#values.get(uploader)), file!);
    const [, forwarder, key] = /^([a-z]+) has the file of (<key>) anew: it is <file2>$/.exec(what) ?? [];
    if (forwarder) return await this.#copy(Number(this.#values.get(forwarder)), this.#filled(key!));
    switch (what) {
      case "the database is away":
        this.#watch.around = () => Promise.reject(new StoreUnavailable("as the test wants it"));
        return;
      case "the server has a defect":
        this.#watch.around = (call) => call.name === "history" ? Promise.reject(new Error("as the test wants it")) : call.run();
        return;
      case "the server stops":
        void this.#server.server.close();
        return;
    }
    throw new Error(`the test does not know how to bring this about: ${what}`);
  }

  /** A picture, as far as the database goes. */
  async #upload(owner: number, name: string): Promise<void> {
    const store = await this.#server.db.open();
    const place = { place: "x", hash: "x", urlkey: randomBytes(16).toString("base64url") };
    const told = { name, type: "image/jpeg", size: 48213, width: 1600, height: 1200 };
    const added = await store.addFile({ owner, ...told, ...place, created: Date.now() }, 1e9);
    this.#values.set("file", String((added as { id: number }).id));
    await store.close();
  }

  /** The same file once more. */
  async #copy(owner: number, of: string): Promise<void> {
    const store = await this.#server.db.open();
    const copied = await store.copyFile(of, { owner, urlkey: randomBytes(16).toString("base64url"), created: Date.now() }, 1e9);
    this.#values.set("file2", String((copied as { id: number }).id));
    await store.close();
  }

  /** As the operator's commands do. */
  async #operate(command: string, id: number): Promise<void> {
    const store = await this.#server.db.open();
    if (command === "ban") await store.setClosed(id, true);
    else await store.kick(id);
    await store.close();
  }
}
