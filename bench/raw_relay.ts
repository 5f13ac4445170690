/**
 * What Deno's sockets cost without a chat server: the baseline of the benchmark. Prints `ready PORT`.
 *
 *     raw_relay.ts pairs      connections are paired in the order they come, and bytes passed on unseen
 *     raw_relay.ts all N      what the first connection sends goes to the N that follow
 */
const [mode, count] = Deno.args;
const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
await Deno.stdout.write(new TextEncoder().encode(`ready ${listener.addr.port}\n`));

async function write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = await conn.write(bytes); done < bytes.length;) done += await conn.write(bytes.subarray(done));
}

async function pass(from: Deno.TcpConn, to: Deno.TcpConn[]): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
      const bytes = buffer.subarray(0, n);
      if (to.length === 1) await write(to[0]!, bytes);
      else await Promise.all(to.map((conn) => write(conn, bytes)));
    }
  } catch {
    // Reset.
  }
  for (const conn of to) close(conn);
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // Closed from the other side.
  }
}

const together = mode === "all" ? Number(count) + 1 : 2;
for (;;) {
  // Read only when all are there: nothing is lost.
  const conns: Deno.TcpConn[] = [];
  while (conns.length < together) {
    const conn = await listener.accept();
    conn.setNoDelay(true);
    conns.push(conn);
  }
  const [first, ...rest] = conns;
  void pass(first!, rest);
  if (mode === "pairs") void pass(rest[0]!, [first!]);
}
