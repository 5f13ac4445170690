// The benchmark's load generator: its figures are figures, however late the machine lets it look at the clock.

import { assert } from "@std/assert";
import { Load } from "../bench/load_generator.ts";

Deno.test("load generator: a stretch that is over before it looked at the clock is measured from when it looked", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using load = await Load.start(listener.addr.port, 2);
  const login = load.login();
  // Who sends connects first.
  const sender = await listener.accept(), receiver = await listener.accept();
  const relaying = sender.readable.pipeTo(receiver.writable).catch(() => {});
  await login;
  // No time at all: as when it stands still for longer than the stretch is.
  for (const length of [0, 1]) {
    const { rate, p50_us, total, load: share } = await load.run(0, length);
    assert([rate, p50_us, total, share].every(Number.isFinite), `${rate} ${p50_us} ${total} ${share}`);
    assert(total >= 1);
  }
  load.kill();
  await relaying;
  await receiver.readable.cancel();
});
