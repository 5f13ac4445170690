// A client as a process of its own, to be killed: logs in each line of its arguments on a connection of its own, prints the answers, and stays.

const [port, ...logins] = Deno.args;

for (const login of logins) {
  const conn = await Deno.connect({ port: Number(port) });
  await conn.write(new TextEncoder().encode(login + "\n"));
  const buffer = new Uint8Array(65536);
  let ack = "";
  while (!ack.includes("\n")) ack += new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  await Deno.stdout.write(new TextEncoder().encode(ack.split("\n")[0] + "\n"));
  // Reads on, so that nothing stays unread when it is killed.
  void (async () => {
    while (await conn.read(buffer) !== null);
  })();
}
