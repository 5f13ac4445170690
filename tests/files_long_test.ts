// Long files, whose bytes go from the connection to the disk.

import { assertEquals } from "@std/assert";
import { withinAwake } from "./support/awake.ts";
import { upTo } from "./support/chat.ts";
import { testDatabase } from "./support/databases.ts";
import { FileServer } from "./support/files.ts";
import { HttpClient } from "./support/http_client.ts";
import { eventually } from "./support/server.ts";

const LENGTH = 3_000_001;
const body = new Uint8Array(LENGTH);
for (let at = 0; at < LENGTH; at += 65_536) crypto.getRandomValues(body.subarray(at, at + 65_536));

const headOf = (files: FileServer, length = LENGTH) =>
  `POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${files.users[0]!.token}\r\ncontent-length: ${length}\r\n\r\n`;

/** What stands there of the file that came last. */
async function last(files: FileServer): Promise<Uint8Array> {
  const [row] = await files.server.db.query("select place from file order by id desc limit 1");
  return await Deno.readFile(`${files.folder}/${row!.place}`);
}

Deno.test("files: a long one stands there as it came, in whatever pieces, and its connection ends with the answer", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await FileServer.start(db);
  // The answer to what was asked before it comes first; what is asked behind it is not answered any more, and does no harm.
  const before = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
  for (const [first, behind, fin] of [[0, "", false], [1, "", true], [100_000, before, false], [LENGTH, before.repeat(1000), true]] as const) {
    // Each its own bytes.
    body[0]! += 1;
    await using client = await HttpClient.connect(files.port);
    client.write(before);
    assertEquals(`${await client.answer()}`, "alive\n");
    const head = new TextEncoder().encode(headOf(files)), sent = new Uint8Array(head.length + first);
    sent.set(head);
    sent.set(body.subarray(0, first), head.length);
    client.socket.write(sent);
    if (first < LENGTH) {
      await eventually(async () => (await files.stored()).some((path) => path.startsWith("incoming/")), "it has begun");
      client.socket.write(body.subarray(first));
    }
    client.write(behind);
    if (fin) client.socket.end();
    const answer = await client.answer();
    assertEquals([answer.status, answer.headers.connection, JSON.parse(`${answer}`).size], [201, "close", LENGTH]);
    await withinAwake(client.ended, 3000);
    assertEquals(client.unread, 0);
    assertEquals(await last(files), body);
  }
});

Deno.test("files: of a long one whose client goes nothing is left; where the disk is full it is told so, and its rest read away", async () => {
  await using db = await testDatabase("sqlite");
  await using files = await FileServer.start(db, { "max-file": 10 * LENGTH });
  for (const end of ["destroy", "end"] as const) {
    await using client = await HttpClient.connect(files.port);
    client.write(headOf(files));
    client.socket.write(body.subarray(0, 2_000_000));
    await eventually(async () => (await files.stored()).length === 1, "it has begun");
    client.socket[end]();
    await eventually(async () => (await files.stored()).length === 0, `nothing is left: ${end}`);
    await withinAwake(client.ended, 3000);
    assertEquals(client.unread, 0, "it is not told that the server failed");
  }
  const write = Deno.FsFile.prototype.write;
  try {
    Deno.FsFile.prototype.write = () => Promise.reject(Object.assign(new Error("No space left on device"), { code: "ENOSPC" }));
    using conn = await Deno.connect({ port: files.port });
    await conn.write(new TextEncoder().encode(headOf(files, 10 * LENGTH)));
    // Larger than what the system keeps: who sends all before they read would not see it otherwise.
    for (const _ of upTo(10)) for (let at = 0; at < LENGTH;) at += await conn.write(body.subarray(at));
    const answer = new Uint8Array(4096), n = await conn.read(answer);
    assertEquals(new TextDecoder().decode(answer.subarray(0, n!)).split("\r\n", 1)[0], "HTTP/1.1 507 Insufficient Storage");
  } finally {
    Deno.FsFile.prototype.write = write;
  }
  assertEquals(await files.stored(), []);
});
