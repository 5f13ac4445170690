// What spoke to 0.1 speaks to every later server: 0.1's conformance suite, the transcripts of its document, and its examples with its client library, each as
// it was (compat_0_1/, commit dd96857), against the server as it is. They are not changed: what departs from them stands here, with its reason.

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { checks, conformance } from "./compat_0_1/conformance/main.ts";
import { parseTarget } from "./compat_0_1/conformance/target.ts";
import { waitingDatabaseTest } from "./support/databases.ts";
import { testExamples } from "./support/examples.ts";
import { startServer } from "./support/server.ts";
import { play, transcriptsOf } from "./support/transcript.ts";

/** Many JSON libraries write what is absent as null. */
const NULL = "a `ref` that is null was errno 13, and is as if it were absent";

/** What happens in groups is an entry of logs. */
const EVENTS =
  "what happens in a group has a place in the log, which sessions of 0.1 are not sent: that somebody joined came before, so `seq` is higher";

/** Checks of the suite that do not hold any more, by their rule and title, and why. What else they looked at stands in today's suite. */
const departures: Record<string, string> = {
  "3.1 ref comes back as it was; one that is no integer and no string of up to 64 characters is 13": NULL,
  "1.5 no JSON object is 10, an unknown msgid 11, a bad field 13; the connection stays": "25, which it takes for an unknown msgid, is EDIT",
  "2.1 a modern LOGIN_ACK has its fields; a higher proto is answered with 2": "there is a higher one now: `proto` 3",
  "3.4 LOGIN fails by LOGIN_ACK, REGISTER by REGISTER_ACK, PING by REPLY, the rest by REPLY": NULL,
  "8.2 JOIN_GROUP by number or name, GROUP_CHAT to all members but the sender, 17 and 18": EVENTS,
};
/** A check that takes for given that a GROUP_CHAT is answered before a later PING, which the document leaves open. It mostly is; it need not be. */
const RACE = "3.3 without a ref: PING, HISTORY and CONTACTS are answered, others only when they fail";
/** Transcripts that do not hold any more, by their line, and why. */
const departedTranscripts: Record<number, string> = { 327: EVENTS };

const folder = new URL("./compat_0_1/", import.meta.url);

waitingDatabaseTest("0.1: its conformance suite holds, but for what is said here", async (db) => {
  await using server = await startServer(db, { http: "127.0.0.1:0", limits: "off", heartbeat: 2 });
  const { tcp, http } = server.server.addresses;
  const said: string[] = [];
  const addresses = [`127.0.0.1:${tcp.port}`, `ws://127.0.0.1:${http!.port}`];
  await Promise.all(addresses.map((address) => conformance(parseTarget(address), (line) => said.push(line))));
  const failed = said.filter((line) => line.startsWith("not ok")).map((line) => /^not ok \d+ - (.*)/.exec(line)![1]!);
  const unexpected = new Set(failed.filter((check) => check !== RACE));
  assertEquals([...unexpected].sort(), Object.keys(departures).sort(), said.join("\n"));
  assertEquals(said.filter((line) => line.startsWith("ok")).length + failed.length, 2 * checks.length);
});

for (const transcript of transcriptsOf(await Deno.readTextFile(new URL("docs/protocol.md", folder)))) {
  const why = departedTranscripts[transcript.line];
  Deno.test({ name: `0.1: the transcript in line ${transcript.line} of its document`, ignore: why !== undefined, fn: () => play(transcript, 2) });
}

testExamples("0.1's examples", new URL("examples/", folder));

Deno.test("0.1: what stands in compat_0_1 is what it was", async () => {
  const hash = createHash("sha256");
  for (const path of (await filesIn(folder)).sort()) hash.update(`${path}\n`).update(await Deno.readFile(new URL(path, folder)));
  assertEquals(hash.digest("hex"), "84cef815f557e7200d564aecfccb76f3cf1e076d0bc304fd752144710b044875");
});

/** The paths of all files below, relative to it. */
async function filesIn(folder: URL, path = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(path, folder))) {
    if (isDirectory) found.push(...await filesIn(folder, `${path}${name}/`));
    else found.push(path + name);
  }
  return found;
}
