// What this thread has computed.

import process from "node:process";

const THREAD_CPUTIME = 3;
const libc = openLibc();
const time = new BigInt64Array(2), timeBytes = new Uint8Array(time.buffer);

function openLibc() {
  if (Deno.build.os !== "linux") return undefined;
  return Deno.dlopen("libc.so.6", { clock_gettime: { parameters: ["i32", "buffer"], result: "i32" } });
}

/** What this thread has computed (ms): other tests compute in the same process. */
export function cpuTime(): number {
  if (libc) {
    libc.symbols.clock_gettime(THREAD_CPUTIME, timeBytes);
    return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
  }
  // On Linux that goes by the kernel's tick: 10 ms on some machines.
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
