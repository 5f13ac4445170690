// Two nodes on one folder: what is uploaded on one is on the other, and what is gone is gone on both, however one of them ends.

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { Msg } from "../src/wire/msgid.ts";
import { upTo } from "./support/chat.ts";
import { clusterTest, startNode } from "./support/nodes.ts";
import { Program } from "./support/program.ts";
import { RawClient } from "./support/raw_client.ts";
import { redisUrl } from "./support/redis.ts";
import { eventually, makeUsers, startServer, type TestUser } from "./support/server.ts";

const DAY_MS = 24 * 3600_000;

/** What a process says and serves. */
interface Node extends AsyncDisposable {
  program: Program;
  tcp: number;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  upload(token: string, body: Uint8Array<ArrayBuffer>): Promise<Response>;
}

async function spawned(node: string, database: string, folder: string): Promise<Node> {
  const listeners = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
  const program = new Program([...listeners, "--node", node, "--redis", redisUrl, "--database", database, "--files", folder, "--limits", "off"]);
  const { tcp, http } = await program.ready();
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const get = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${http}${path}`, { ...init, client });
  return {
    program,
    tcp: tcp!,
    fetch: get,
    upload: (token, body) => get("/files?name=f", { method: "POST", body, headers: { authorization: `Bearer ${token}` } }),
    async [Symbol.asyncDispose]() {
      client.close();
      await program[Symbol.asyncDispose]();
    },
  };
}

clusterTest(
  "files on two nodes: up on one, down from the other, deleted on one and gone from both at once; SIGKILL of one in the midst",
  async (db) => {
    await (await startServer(db)).server.close();
    const [ann, bob] = await makeUsers(db, 2) as [TestUser, TestUser];
    const folder = await Deno.makeTempDir({ prefix: "natter_files_" });
    try {
      const [first, second] = await Promise.all([spawned("a", db.url, folder), spawned("b", db.url, folder)]);
      await using a = first;
      await using b = second;
      const body = crypto.getRandomValues(new Uint8Array(60_000));
      const { id } = await (await a.upload(ann.token, body)).json();
      await using sender = await RawClient.connect(a.tcp);
      await using reader = await RawClient.connect(b.tcp);
      for (const [client, user] of [[sender, ann], [reader, bob]] as const) {
        assertEquals((await client.login({ id: user.id, token: user.token, proto: 3 })).errno, 0);
      }
      const { errno, messageid } = await sender.request({ msgid: Msg.CHAT, toid: bob.id, msg: "", files: [id] });
      assertEquals(errno, 0);
      const came = await reader.next((m) => m.msgid === Msg.CHAT);
      const { url } = (came.files as { url: string }[])[0]!;
      const whole = await b.fetch(url);
      assertEquals([whole.status, new Uint8Array(await whole.arrayBuffer())], [200, body]);
      const etag = whole.headers.get("etag")!;
      for (const [range, from, to] of [["bytes=100-199", 100, 200], ["bytes=-10", 59_990, 60_000]] as const) {
        // A part from either, as of the same file.
        for (const node of [a, b]) {
          const part = await node.fetch(url, { headers: { range, "if-range": etag } });
          assertEquals([part.status, new Uint8Array(await part.arrayBuffer())], [206, body.subarray(from, to)]);
        }
      }
      assertEquals((await sender.request({ msgid: Msg.DELETE, toid: bob.id, messageid })).errno, 0);
      for (const node of [b, a]) {
        const gone = await node.fetch(url);
        await gone.body?.cancel();
        assertEquals(gone.status, 404, "from the other at once, too");
      }

      // Both take the same bytes and others, until one of them dies.
      const taken: number[] = [];
      const enough = Promise.withResolvers<void>();
      let ended = false;
      const uploading: [Node, TestUser, number][] = [[a, ann, 1], [a, ann, 2], [b, bob, 1], [b, bob, 3]];
      const over = Promise.allSettled(uploading.map(async ([node, { token }, word]) => {
        for (let n = 0; !ended; n++) {
          const response = await node.upload(token, new Uint8Array(200_000).fill(n % 2 ? n : n + word));
          if (response.status === 201) taken.push((await response.json()).id);
          else await response.body?.cancel();
          if (taken.length === 12) enough.resolve();
        }
      }));
      await enough.promise;
      a.program.kill("SIGKILL");
      const before = taken.length;
      await eventually(() => taken.length > before + 4, "the other goes on");
      ended = true;
      await over;
      const rows = await db.query("select id, place, hash, size, urlkey from file") as Record<"id" | "place" | "hash" | "size" | "urlkey", string>[];
      const known = new Set(rows.map(({ id }) => Number(id)));
      assert(taken.every((id) => known.has(id)), "what was acknowledged is there");
      for (const { urlkey, hash, size } of rows) {
        const response = await b.fetch(`/files/${urlkey}`);
        const bytes = new Uint8Array(await response.arrayBuffer());
        assertEquals([response.status, bytes.length, createHash("sha256").update(bytes).digest("hex")], [200, Number(size), hash]);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

clusterTest("files on two nodes: both sweep all the time, and nothing goes that somebody uses; what is over goes once", async (db) => {
  const folder = await Deno.makeTempDir({ prefix: "natter_files_" });
  try {
    const settings = { http: "127.0.0.1:0", files: folder, limits: "off" };
    await using a = await startNode(db, "a", { times: { sweep: 1 } }, settings);
    await using b = await startNode(db, "b", { times: { sweep: 1 } }, settings);
    const users = await makeUsers(db, 2);
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const ports = [a, b].map(({ server }) => server.addresses.http!.port);
    // The same bytes again and again, on both, while the rows of before are over: places are shared, given up and taken anew.
    const upload = async (node: number, text: string): Promise<number> => {
      const headers = { authorization: `Bearer ${users[node]!.token}` };
      const response = await fetch(`http://127.0.0.1:${ports[node]}/files`, { method: "POST", body: text, headers, client });
      assertEquals(response.status, 201);
      return (await response.json()).id;
    };
    for (const round of upTo(25)) {
      const ids = await Promise.all([upload(0, "same"), upload(1, "same"), upload(round % 2, `own ${round}`)]);
      const [{ urlkey }] = await db.query(`select urlkey from file where id = ${ids[round % 2]}`) as [{ urlkey: string }];
      // The others are over; this one is not yet.
      await db.query(`update file set created = ${Date.now() - 2 * DAY_MS} where id <> ${ids[round % 2]}`);
      for (const port of ports) {
        const response = await fetch(`http://127.0.0.1:${port}/files/${urlkey}`, { client });
        assertEquals([response.status, await response.text()], [200, "same"], `round ${round}`);
      }
    }
    await db.query(`update file set created = ${Date.now() - 2 * DAY_MS}`);
    // In this order: a row that goes leaves its place in `gone`.
    const left = async () => (await db.query("select id from file")).length + (await db.query("select place from gone")).length;
    await eventually(async () => await left() === 0, "all is over");
    for await (const { name } of Deno.readDir(folder)) {
      for await (const file of Deno.readDir(`${folder}/${name}`)) throw new Error(`left: ${file.name}`);
    }
    assertEquals(Number((await db.query("select sum(bytes) as n from kept"))[0]!.n), 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
