// Tries what a server must not be able to do, and what it needs. Prints, as JSON, each attempt's name and what came of it: "done" or the error's name.

import { Buffer } from "node:buffer";
import { execFileSync, spawn } from "node:child_process";
import { networkInterfaces } from "node:os";
import process from "node:process";

/** How the attempts end that are to fail: Deno's own API says NotCapable, Node's the same or EPERM or EACCES. */
const attempts: Record<string, () => unknown> = {
  "run: Deno.Command": () => new Deno.Command("/bin/true").outputSync(),
  "run: a copy of deno": () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync(),
  "run: node:child_process": () => execFileSync("/bin/true"),
  "run: node:child_process spawn": () =>
    new Promise((resolve, reject) => {
      const child = spawn("/bin/true");
      child.on("error", reject);
      child.on("exit", resolve);
    }),
  "run: Deno.kill": () => Deno.kill(Deno.ppid, "SIGCONT"),
  "ffi: Deno.dlopen": () => Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } }),
  "ffi: process.dlopen": () => process.dlopen({ exports: {} }, "/nonexistent.node"),
  "ffi: a pointer": () => Deno.UnsafePointer.of(new Uint8Array(1)),
  "env: HOME": () => Deno.env.get("HOME"),
  "env: LD_PRELOAD": () => Deno.env.get("LD_PRELOAD"),
  "env: NATTE": () => Deno.env.get("NATTE"),
  "env: all": () => Deno.env.toObject(),
  "env: set": () => Deno.env.set("PATH", "/tmp"),
  "env: /proc/self/environ": () => Deno.readFileSync("/proc/self/environ"),
  "memory: /proc/self/mem": () => Deno.openSync("/proc/self/mem", { write: true }).close(),
  "memory: /proc/self/maps": () => Deno.readFileSync("/proc/self/maps"),
  "sys: networkInterfaces": () => networkInterfaces(),
  "sys: osRelease": () => Deno.osRelease(),
  "sys: systemMemoryInfo": () => Deno.systemMemoryInfo(),
  "may: hostname": () => Deno.hostname(),
  "may: NATTER_LISTEN": () => Deno.env.get("NATTER_LISTEN"),
  "may: TZ": () => Deno.env.get("TZ"),
  "may: listen": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
  "may: write": async () => await Deno.remove(await Deno.makeTempFile({ dir: "." })),
  "may: node:buffer": () => Buffer.from("a"),
};

const outcomes: [string, string][] = [];
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
    outcomes.push([name, "done"]);
  } catch (error) {
    const { name: kind, code } = error as Error & { code?: string };
    outcomes.push([name, code ?? kind]);
  }
}
// The process's own environment in Node's way: nothing of it may be seen.
outcomes.push(["env: process.env", tryEnv()]);
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(outcomes) + "\n"));
Deno.exit(0);

function tryEnv(): string {
  try {
    return process.env.HOME === undefined ? "undefined" : "done";
  } catch (error) {
    return (error as Error).name;
  }
}
