// Taking bytes in, on a disk that is slow or fails, or that others use.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import { inTurn, waitedFor } from "../src/async/disk.ts";
import { DiskFull, Folder } from "../src/files/folder.ts";
import { gathered } from "../src/net/body.ts";
import type { HttpRequest } from "../src/net/exchange.ts";
import { clockStopped } from "./support/clock.ts";
import { eventually } from "./support/server.ts";

const MIB = 1024 * 1024;

type Write = (piece: Uint8Array) => Promise<number>;

/** Does this with a folder of its own, whose files are written as `disk` says; `syncing` is called with each sync. In the end nothing may be on its way. */
async function withDisk(disk: (usual: Write) => Write, work: (folder: Folder) => Promise<void>, syncing: () => void = () => {}): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "natter_folder_" });
  const { open } = Deno;
  try {
    Deno.open = async (opened, options) => {
      const file = await open(opened, options);
      // Other tests have files, too.
      if (!String(opened).startsWith(path)) return file;
      const syncData = file.syncData.bind(file);
      file.write = disk(file.write.bind(file));
      file.syncData = () => {
        syncing();
        return syncData();
      };
      return file;
    };
    await work(await Folder.open(path));
    assertEquals([...Deno.readDirSync(`${path}/incoming`)], []);
  } finally {
    Deno.open = open;
    await Deno.remove(path, { recursive: true });
  }
}

/** Bytes in pieces of these sizes. */
function inPieces(bytes: Uint8Array, sizes: Iterable<number>): HttpRequest["body"] {
  const pieces = async function* () {
    let at = 0;
    for (const size of sizes) yield bytes.slice(at, at += size);
  };
  return (buffer) => gathered(pieces(), buffer);
}

Deno.test("files: bytes that come in pieces of any size stand there as they came, though the disk takes half of them at a time", async () => {
  const halves = (usual: Write) => async (piece: Uint8Array) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return await usual(piece.subarray(0, Math.ceil(piece.length / 2)));
  };
  const bytes = new Uint8Array(2 * MIB);
  for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  await withDisk(halves, async (folder) => {
    for (const sizes of [[], [1], [262_144], [262_143, 1, 1], [1, 262_144, 700_000, 3, 900_000]]) {
      const received = await folder.receive(inPieces(bytes, sizes));
      await folder.put(received, received.place);
      const sent = bytes.subarray(0, sizes.reduce((sum, size) => sum + size, 0));
      const hash = createHash("sha256").update(sent).digest("hex");
      assertEquals(received.hash, hash);
      assertEquals(createHash("sha256").update(await Deno.readFile(folder.pathOf(received.place))).digest("hex"), hash);
    }
  });
});

Deno.test("files: no more than some pieces wait for a disk that stands still; when it fails the file is refused, and nothing of it is left", async () => {
  const stuck = Promise.withResolvers<number>();
  await withDisk(() => () => stuck.promise, async (folder) => {
    let came = 0, before = -1;
    const coming = (async function* () {
      for (; came < 100; came++) yield new Uint8Array(65_536);
    })();
    const received = folder.receive((buffer) => gathered(coming, buffer));
    await eventually(() => {
      const still = came === before;
      before = came;
      return still && came > 0;
    }, "nothing more is asked for");
    assert(came * 65_536 < 2 * MIB, `${came} pieces wait`);
    stuck.reject(Object.assign(new Error("No space left on device"), { code: "ENOSPC" }));
    await assertRejects(() => received, DiskFull);
  });
});

Deno.test("files: beside those who wait for the disk, an upload is written in small steps, each synced before the next", async () => {
  // What they did a moment ago is so for as long as this takes.
  using _clock = clockStopped();
  let written = 0, most = 0, syncs = 0;
  const used = (usual: Write) => async (piece: Uint8Array) => {
    written += piece.length;
    most = Math.max(most, written);
    void waitedFor(Promise.resolve());
    return await usual(piece);
  };
  await withDisk(
    used,
    async (folder) => await folder.discard(await folder.receive(inPieces(new Uint8Array(4 * MIB), Array.from({ length: 64 }, () => 65_536)))),
    () => {
      written = 0;
      syncs++;
    },
  );
  assertEquals([most, syncs], [MIB / 2, 8]);
});

Deno.test("files: syncing them begins when nobody waits for the disk, one at a time, whatever becomes of the others", async () => {
  const said: string[] = [];
  const waited = Promise.withResolvers<void>(), first = Promise.withResolvers<void>();
  void waitedFor(waited.promise.then(() => said.push("what is waited for")));
  const failing = inTurn(async () => {
    said.push("one begins");
    await first.promise;
    said.push("one ends");
    throw new Error("EIO");
  });
  const other = inTurn(() => Promise.resolve(said.push("the other")));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(said, []);
  waited.resolve();
  await eventually(() => said.length === 2, "one has begun");
  first.resolve();
  await assertRejects(() => failing, Error, "EIO");
  await other;
  assertEquals(said, ["what is waited for", "one begins", "one ends", "the other"]);
});

Deno.test("files: syncing them does not wait for what others begin to wait for meanwhile", async () => {
  const [before, after] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  void waitedFor(before.promise);
  const synced = inTurn(() => Promise.resolve());
  await new Promise((resolve) => setImmediate(resolve));
  // As transactions of several connections are: one begins before the other has ended, again and again.
  void waitedFor(after.promise);
  before.resolve();
  await synced;
  after.resolve();
});
