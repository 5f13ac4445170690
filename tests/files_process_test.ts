// Files and the process: memory while they are carried, and SIGKILL in the midst of it.

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { upTo } from "./support/chat.ts";
import { type TestDatabase, testDatabase } from "./support/databases.ts";
import { Program } from "./support/program.ts";
import { makeUsers, residentMemory, startServer } from "./support/server.ts";

const MIB = 1024 * 1024;

async function started(db: TestDatabase, folder: string): Promise<{ program: Program; url: string }> {
  const program = new Program(
    ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--database", db.url, "--files", folder, "--max-file", "60MiB", "--limits", "off"],
  );
  const { http } = await program.ready();
  return { program, url: `http://127.0.0.1:${http}` };
}

Deno.test("files: 50 MB up and down take less than 40 MB of memory", async () => {
  await using db = await testDatabase("sqlite");
  await (await startServer(db)).server.close();
  const folder = `${db.url.slice("sqlite:".length)}-files`;
  const { token } = (await makeUsers(db, 1))[0]!;
  const { program, url } = await started(db, folder);
  await using _ = program;
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const headers = { authorization: `Bearer ${token}` };
  const piece = crypto.getRandomValues(new Uint8Array(65_536));
  const post = (body: Uint8Array<ArrayBuffer>) => fetch(`${url}/files`, { method: "POST", headers, body, client });
  // What the first one loads is no part of it.
  await (await post(new Uint8Array(10 * MIB))).body?.cancel();
  let most = 0;
  const idle = await residentMemory(program);
  const looking = setInterval(() => void residentMemory(program).then((now) => most = Math.max(most, now - idle), () => {}), 10);
  try {
    const body = new Uint8Array(50 * MIB);
    for (let at = 0; at < body.length; at += piece.length) body.set(piece, at);
    const response = await post(body);
    assertEquals([response.status, (await response.json()).size], [201, body.length]);
    const [{ urlkey }] = await db.query(`select urlkey from file where size = ${body.length}`) as [{ urlkey: string }];
    const down = await fetch(`${url}/files/${urlkey}`, { client });
    const hash = createHash("sha256");
    for await (const part of down.body!) hash.update(part);
    assertEquals(hash.digest("hex"), createHash("sha256").update(body).digest("hex"));
  } finally {
    clearInterval(looking);
  }
  assert(most < 40 * MIB, `${(most / MIB).toFixed(1)} MiB`);
});

Deno.test("files: SIGKILL in the midst of uploads: every row names bytes that are whole, and all bytes are known", async () => {
  await using db = await testDatabase("sqlite");
  await (await startServer(db)).server.close();
  const folder = `${db.url.slice("sqlite:".length)}-files`;
  const users = await makeUsers(db, 2);
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  let taken = 0;
  for (const round of upTo(3)) {
    const { program, url } = await started(db, folder);
    await using _ = program;
    let left = 4 + round;
    const enough = Promise.withResolvers<void>();
    const uploading = users.flatMap(({ token }) => [token, token, token]).map(async (token, i) => {
      for (let n = 0;; n++) {
        // Every third one is the same as another.
        const body = new Uint8Array(300_000 + 1000 * i).fill(n % 3 === 0 ? 1 : round * 100 + i * 10 + n);
        const response = await fetch(`${url}/files`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body, client });
        await response.body?.cancel();
        if (response.status === 201) taken++;
        if (--left === 0) enough.resolve();
      }
    });
    const over = Promise.allSettled(uploading);
    await enough.promise;
    program.kill("SIGKILL");
    await over;
  }
  const rows = await db.query("select place, hash, size from file") as { place: string; hash: string; size: number }[];
  assert(rows.length >= taken);
  const named = new Set(rows.map(({ place }) => place)), gone = new Set((await db.query("select place from gone")).map(({ place }) => place));
  for (const { place, hash, size } of rows) {
    const bytes = await Deno.readFile(`${folder}/${place}`);
    assertEquals([bytes.length, createHash("sha256").update(bytes).digest("hex")], [size, hash]);
  }
  for await (const { name } of Deno.readDir(folder)) {
    for await (const file of Deno.readDir(`${folder}/${name}`)) {
      if (name !== "incoming") assert(named.has(`${name}/${file.name}`) || gone.has(`${name}/${file.name}`), `${name}/${file.name} is unknown`);
    }
  }
});
