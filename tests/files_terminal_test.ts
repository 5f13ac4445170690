// Files at a terminal: /send, addresses, /save, /export.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { download } from "../src/client/files.ts";
import { ConnectionLost } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";
import { pipe } from "../src/client/terminal/pipe.ts";
import { testDatabase, waitingTests } from "./support/databases.ts";
import { FileServer, freePort } from "./support/files.ts";
import { denoEnv, fromSource } from "./support/program.ts";
import { type Proxy, startProxy, type Verdict } from "./support/proxy.ts";
import { RawClient } from "./support/raw_client.ts";
import type { TestUser } from "./support/server.ts";

const SILENCE = 2000, HOLD = 800, SIZE = 16 * 1024 * 1024;

/** A server whose files go over a proxy; bob is there. */
interface Behind {
  proxy: Proxy;
  url: string;
  files: FileServer;
  bob: TestUser;
  client: RawClient;
  /** A file of {@linkcode SIZE} bytes on this machine. */
  path: string;
  /** What alice's lines come to: the exit code and what went wrong. */
  chat(...lines: string[]): Promise<[number, string[]]>;
}

/** A test of files that stand still on their way. */
function standingStill(test: (at: Behind) => Promise<void>): () => Promise<void> {
  return async () => {
    await using db = await testDatabase("sqlite");
    const http = freePort();
    await using proxy = await startProxy({ hostname: "127.0.0.1", port: http });
    const url = `http://127.0.0.1:${proxy.port}`;
    await using files = await FileServer.start(db, { http: `127.0.0.1:${http}`, url, limits: "off" });
    const bob = files.users[0]!;
    const path = await Deno.makeTempFile({ prefix: "natter_terminal_" });
    await using _path = { [Symbol.asyncDispose]: () => Deno.remove(path) };
    await Deno.writeFile(path, new Uint8Array(SIZE));
    await using client = await files.server.client(bob, { proto: 3 });
    assertEquals((await client.register("alice", "secret")).errno, 0);
    const chat = async (...lines: string[]): Promise<[number, string[]]> => {
      const faults: string[] = [];
      const code = await pipe({
        connect: tcp({ port: files.server.port }),
        who: { peer: { name: "alice" }, password: "secret", register: false },
        lines: (async function* () {
          yield* lines;
        })(),
        output: { print: () => {}, complain: (line) => faults.push(line) },
        http: { silence: SILENCE },
      });
      return [code, faults];
    };
    await test({ proxy, url, files, bob, client, path, chat });
  };
}

waitingTests("files", {
  "what is sent at one terminal is an address at the other, and saved there beside what has its name": async () => {
    await using db = await testDatabase("sqlite");
    await using files = await FileServer.start(db, { http: `127.0.0.1:${freePort()}`, "max-file": 2000 });
    const port = files.server.port;
    {
      await using client = await RawClient.connect(port);
      for (const name of ["alice", "bob"]) assertEquals((await client.register(name, "secret")).errno, 0);
    }
    const folder = await Deno.makeTempDir({ prefix: "natter_terminal_" });
    const chat = async (name: string, ...lines: string[]) => {
      const [command, ...first] = fromSource;
      const process = new Deno.Command(command!, {
        args: [...first, "chat", `127.0.0.1:${port}`, "--name", name],
        env: { ...denoEnv(), NATTER_PASSWORD: "secret" },
        clearEnv: true,
        cwd: folder,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const [{ code, stdout, stderr }] = await Promise.all([process.output(), new Response(lines.join("\n")).body!.pipeTo(process.stdin)]);
      return { code, said: new TextDecoder().decode(stdout), faults: new TextDecoder().decode(stderr) };
    };
    try {
      await Deno.writeTextFile(`${folder}/notes.txt`, "what was said");
      await Deno.writeTextFile(`${folder}/large.bin`, "x".repeat(2001));
      assertEquals(await chat("alice", "/to bob", "/send notes.txt"), { code: 0, said: "", faults: "" });
      const { code, faults } = await chat("alice", "/to bob", "/send large.bin", "/send nothing", "/send .", "/save #999", "/send /dev/zero");
      assertEquals([code, faults.trim().split("\n").length], [1, 5], faults);
      assertMatch(faults, /\/dev\/zero is no file/);
      const bob = await chat("bob", "/to alice", "/save");
      assertEquals([bob.code, bob.faults], [0, ""]);
      const [kind, , name, text, address] = bob.said.trimEnd().split("\t");
      assertEquals([kind, name, text], ["chat", "alice", ""]);
      assertMatch(address!, /^http:\/\/127\.0\.0\.1:\d+\/files\/[\w-]{22}$/);
      assertEquals(await Deno.readTextFile(`${folder}/notes (2).txt`), "what was said");
      assertEquals((await chat("bob", "/export", "/export mine.jsonl")).code, 0);
      for (const name of ["natter-export.jsonl", "mine.jsonl"]) {
        const lines = (await Deno.readTextFile(`${folder}/${name}`)).trimEnd().split("\n");
        assertEquals([JSON.parse(lines[0]!).name, lines.at(-1)], ["bob", '{"what":"end"}']);
      }
      // What breaks off in the middle leaves nothing.
      for (const file of await files.stored()) await Deno.truncate(`${files.folder}/${file}`, 5);
      assertEquals((await chat("bob", "/to alice", "/save")).code, 1);
      assertEquals([...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("notes")).length, 2);
      // The operator has lost the bytes.
      for (const file of await files.stored()) await Deno.remove(`${files.folder}/${file}`);
      const lost = await chat("bob", "/to alice", "/save");
      assertEquals([lost.code, lost.faults], [1, "natter: not on the server any more: notes.txt\n"]);
      // A name that no disk takes.
      {
        await using phone = await RawClient.connect(port);
        const { token, url } = await phone.login({ name: "alice", password: "secret", proto: 3, device: "phone" });
        const upload = { method: "POST", headers: { authorization: `Bearer ${token}` }, body: "a long story" };
        const { id } = await (await fetch(`${url}/files?name=${encodeURIComponent("好".repeat(190) + ".txt")}`, upload)).json();
        assertEquals((await phone.request({ msgid: 6, toname: "bob", msg: "", files: [id], mid: "long" })).errno, 0);
      }
      const long = await chat("bob", "/to alice", "/save", "/save");
      assertEquals([long.code, long.faults], [0, ""]);
      for (const name of ["", " (2)"]) assertEquals(await Deno.readTextFile(`${folder}/${"好".repeat(78)}${name}.txt`), "a long story");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },

  "an authority of one's own is believed for them, too": async () => {
    await using db = await testDatabase("sqlite");
    const https = freePort();
    const [cert, key] = ["cert", "key"].map((what) => new URL(`support/localhost_${what}.pem`, import.meta.url).pathname);
    const tls = { https: `127.0.0.1:${https}`, url: `https://localhost:${https}`, "tls-listen": "127.0.0.1:0", "tls-cert": cert!, "tls-key": key! };
    await using files = await FileServer.start(db, tls);
    {
      await using client = await files.server.connect();
      assertEquals((await client.register("alice", "secret")).errno, 0);
    }
    const [command, ...first] = fromSource;
    const process = new Deno.Command(command!, {
      args: [...first, "chat", `localhost:${files.server.server.addresses.tls!.port}`, "--ca", cert!, "--name", "alice"],
      env: { ...denoEnv(), NATTER_PASSWORD: "secret" },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const lines = new Response(`/to alice\n/send ${new URL(import.meta.url).pathname}\n`);
    const [{ code, stderr }] = await Promise.all([process.output(), lines.body!.pipeTo(process.stdin)]);
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    assertEquals((await files.stored()).length, 1);
  },

  "one that is slow on its way to the server is not given up": standingStill(async ({ proxy, url, bob, client, path, chat }) => {
    // It rests three times, for longer than may be silent in all; all the while there is more to be taken from the disk than lies anywhere on the way.
    let up = 0, rests = 0;
    proxy.inspect = async ({ direction, data }): Promise<Verdict> => {
      if (direction === "up" && (up += data.length) > (rests + 1) * 1024 * 1024 && rests < 3) {
        rests++;
        await new Promise((resolve) => setTimeout(resolve, HOLD));
      }
      return "pass";
    };
    assertEquals(await chat(`/to ${bob.name}`, `/send ${path}`), [0, []]);
    assertEquals(rests, 3);
    const { files: [{ url: address }] } = await client.next((m) => m.msgid === 6) as unknown as { files: [{ url: string }] };
    assertEquals((await (await download(url, address)).arrayBuffer()).byteLength, SIZE);
  }),

  "nor is one that is taken slowly": standingStill(async ({ url, files }) => {
    const { url: address } = await files.upload(new Uint8Array(SIZE));
    const slow = await download(url, address, { silence: SILENCE });
    // Who takes it is slow, and the server is not.
    await new Promise((resolve) => setTimeout(resolve, SILENCE + HOLD));
    assertEquals((await slow.arrayBuffer()).byteLength, SIZE);
  }),

  "one that stands still on its way from the server is given up": standingStill(async ({ proxy, url, files }) => {
    const { url: address } = await files.upload(new Uint8Array(SIZE));
    let down = 0;
    proxy.inspect = ({ direction, data }) => direction === "down" && (down += data.length) > 1024 * 1024 ? "drop" : "pass";
    const half = await download(url, address, { silence: SILENCE });
    await assertRejects(() => half.arrayBuffer(), ConnectionLost, "did not answer in time");
    assert(down > 1024 * 1024);
  }),

  "one that stands still is said to be given up, and what breaks off is not saved": standingStill(async ({ proxy, bob, client, path, chat }) => {
    assertEquals(await chat(`/to ${bob.name}`, `/send ${path}`), [0, []]);
    await client.next((m) => m.msgid === 6);

    // Who ends an answer before its last line.
    proxy.inspect = ({ data }) => {
      const at = new TextDecoder("latin1").decode(data).indexOf('{"what":"end"}');
      if (at >= 0) data.fill(0x20, at, at + 14);
      return "pass";
    };
    const name = `natter_${crypto.randomUUID()}.jsonl`;
    assertEquals(await chat(`/export ${name}`), [1, ["it broke off on its way, and nothing is saved"]]);
    await assertRejects(() => Deno.stat(name), Deno.errors.NotFound);

    proxy.inspect = ({ direction, data }) => direction === "up" && data.length > 0 ? "drop" : "pass";
    assertEquals(await chat(`/to ${bob.name}`, `/send ${path}`, "/save", "and still here"), [1, [
      "the server did not answer in time",
      "the server did not answer in time",
    ]]);
    assertEquals((await client.next((m) => m.msgid === 6)).msg, "and still here");
  }),
});
