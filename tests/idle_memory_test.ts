// A node that nothing happens on keeps no more memory from turn to turn: it idles for months.

import { assert } from "@std/assert";

const TURNS = 800, MOST_PER_TURN = 200;

Deno.test(`the node's loop: ${TURNS} turns leave less than ${MOST_PER_TURN} bytes each behind`, async () => {
  const args = ["run", "-A", "--quiet", "--v8-flags=--expose-gc", new URL("support/idle_node.ts", import.meta.url).pathname, String(TURNS)];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  const perTurn = Number(new TextDecoder().decode(stdout));
  assert(perTurn < MOST_PER_TURN, `${Math.round(perTurn)} bytes per turn`);
});
