// deno run flooding_client.ts PORT ID TOKEN TOID COUNT: logs in, sends COUNT messages of 1 KB as fast as they are taken, and prints the answers.
// A process of its own, so that its work is not on the event loop of those who are measured.

const [port, id, token, toid, count] = Deno.args;
const COUNT = Number(count);
const encoder = new TextEncoder(), decoder = new TextDecoder();
const conn = await Deno.connect({ port: Number(port) });

async function write(text: string): Promise<void> {
  for (let bytes = encoder.encode(text); bytes.length > 0;) bytes = bytes.subarray(await conn.write(bytes));
}

const sending = (async () => {
  await write(`{"msgid":1,"id":${id},"token":"${token}","proto":2}\n`);
  for (let from = 0; from < COUNT; from += 100) {
    await write(
      Array.from({ length: 100 }, (_, i) => `{"msgid":6,"toid":${toid},"msg":"${String(from + i).padEnd(1000, ".")}","ref":${from + i}}\n`).join(""),
    );
  }
})();
const buffer = new Uint8Array(65536);
for (let lines = 0; lines <= COUNT;) {
  const n = await conn.read(buffer);
  if (n === null) throw new Error("the server closed");
  const part = decoder.decode(buffer.subarray(0, n), { stream: true });
  lines += part.split("\n").length - 1;
  for (let bytes = encoder.encode(part); bytes.length > 0;) bytes = bytes.subarray(await Deno.stdout.write(bytes));
}
await sending;
conn.close();
