// Backup and restore of files: of both parts, in the order that docs/operations.md tells; what is missing in the folder is told as such.

import { assertEquals } from "@std/assert";
import { Msg } from "../src/wire/msgid.ts";
import { databaseTest, type TestDatabase, testDatabase } from "./support/databases.ts";
import { Program, run } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { makeUsers, startServer, type TestUser } from "./support/server.ts";

/** A server on this database and folder. */
async function started(database: string, folder: string): Promise<{ program: Program; tcp: number; url: string }> {
  const listeners = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
  const program = new Program([...listeners, "--database", database, "--files", folder, "--limits", "off"]);
  const { tcp, http } = await program.ready();
  return { program, tcp: tcp!, url: `http://127.0.0.1:${http}` };
}

async function command(program: string, args: string[], input?: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input ?? new Uint8Array()).then(() => writer.close());
  const { code, stdout, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

/** Puts a copy of the database, taken while the server runs, into another. */
async function copied(db: TestDatabase, to: TestDatabase): Promise<void> {
  if (to.url.startsWith("sqlite:")) {
    const { code, stderr } = await run(["backup", to.url.slice("sqlite:".length), "--database", db.url]);
    return assertEquals([code, stderr], [0, ""]);
  }
  const of = ({ url }: TestDatabase) => {
    const { hostname, port, username, password, pathname } = new URL(url);
    const login = [`--host=${hostname}`, `--port=${port || 3306}`, `--user=${username}`, ...password ? [`--password=${password}`] : []];
    return [...login, pathname.slice(1)];
  };
  const dump = await command("mysqldump", ["--single-transaction", ...of(db)]);
  await command("mysql", of(to), dump);
  const { code, stderr } = await run(["restored", "--database", to.url]);
  assertEquals([code, stderr], [0, ""]);
}

databaseTest(
  "files: a backup of a running server and a copy of its folder, put back: all that both have is there, what is missing is told as lost",
  async (db) => {
    await using to = await testDatabase(db.url.startsWith("sqlite:") ? "sqlite" : "mysql");
    await (await startServer(db)).server.close();
    const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
    const folder = await Deno.makeTempDir(), copy = await Deno.makeTempDir();
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const upload = async (url: string, body: string) => {
      const response = await fetch(`${url}/files?name=f.txt`, { method: "POST", body, headers: { authorization: `Bearer ${ann.token}` }, client });
      return (await response.json()).id as number;
    };
    const login = async (port: number) => {
      const connected = await RawClient.connect(port);
      assertEquals((await connected.login({ id: ann.id, token: ann.token, proto: 3 })).errno, 0);
      return connected;
    };
    {
      const { program, tcp, url } = await started(db.url, folder);
      await using _ = program;
      await using sender = await login(tcp);
      for (const text of ["kept", "deleted between"]) {
        assertEquals((await sender.request({ msgid: Msg.CHAT, toid: bob.id, msg: text, files: [await upload(url, text)] })).errno, 0);
      }
      await copied(db, to);
      // What comes after the copy of the database is in the folder alone; what goes is in the database alone.
      await upload(url, "came between");
      const [row] = await db.query("select place from file order by id desc limit 1 offset 1") as [{ place: string }];
      await Deno.remove(`${folder}/${row.place}`);
      for await (const { name } of Deno.readDir(folder)) {
        if (name === "incoming") continue;
        await Deno.mkdir(`${copy}/${name}`, { recursive: true });
        for await (const { name: bytes } of Deno.readDir(`${folder}/${name}`)) {
          await Deno.copyFile(`${folder}/${name}/${bytes}`, `${copy}/${name}/${bytes}`);
        }
      }
    }
    const { program, tcp, url } = await started(to.url, copy);
    await using _ = program;
    await using reader = await login(tcp);
    const { errno, messages } = await reader.request({ msgid: Msg.HISTORY, toid: bob.id });
    assertEquals(errno, 0);
    const told = (messages as { msg: string; files: { url: string }[] }[]).map(({ msg, files }) => [msg, files[0]!.url] as const);
    assertEquals(told.map(([msg]) => msg).sort(), ["deleted between", "kept"]);
    for (const [msg, path] of told) {
      const response = await fetch(url + path, { client });
      assertEquals([response.status, await response.text()], msg === "kept" ? [200, "kept"] : [404, "the file is lost\n"]);
    }
    // The same bytes again bring it back, and what the database does not know is in nobody's way.
    await upload(url, "deleted between");
    await upload(url, "came between");
    for (const [msg, path] of told) {
      const response = await fetch(url + path, { client });
      assertEquals([response.status, await response.text()], [200, msg]);
    }
    for (const path of [folder, copy]) await Deno.remove(path, { recursive: true });
  },
);
