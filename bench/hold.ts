/** A process of clients for the benchmarks: logs in the users it reads from stdin, prints `ready`, answers PINGs, and stays until it is killed. */

/** Logins at once. */
const AT_ONCE = 128;

const port = Number(Deno.args[0]);
const users = JSON.parse(await new Response(Deno.stdin.readable).text()) as { id: number; token: string }[];
const encoder = new TextEncoder(), decoder = new TextDecoder();

async function hold(user: { id: number; token: string }): Promise<void> {
  const conn = await Deno.connect({ port });
  await conn.write(encoder.encode(JSON.stringify({ msgid: 1, ...user, proto: 2 }) + "\n"));
  const buffer = new Uint8Array(1024);
  let text = "";
  while (!text.includes("\n")) text += decoder.decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  if (!text.includes('"errno":0')) throw new Error(text);
  void (async () => {
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      if (decoder.decode(buffer.subarray(0, n)).includes('"msgid":13')) await conn.write(encoder.encode('{"msgid":14}\n'));
    }
  })();
}

for (let i = 0; i < users.length; i += AT_ONCE) await Promise.all(users.slice(i, i + AT_ONCE).map(hold));
await Deno.stdout.write(encoder.encode("ready\n"));
