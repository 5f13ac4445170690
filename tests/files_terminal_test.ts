// Files at a terminal: /send, addresses, /save, /export.

import { assertEquals, assertMatch } from "@std/assert";
import { testDatabase } from "./support/databases.ts";
import { FileServer } from "./support/files.ts";
import { denoEnv, fromSource } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test("files: what is sent at one terminal is an address at the other, and saved there beside what has its name", async () => {
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
    const { code, faults } = await chat("alice", "/to bob", "/send large.bin", "/send nothing", "/send .", "/save #999");
    assertEquals([code, faults.trim().split("\n").length], [1, 4], faults);
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
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
