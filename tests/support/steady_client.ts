// deno run steady_client.ts PORT ID TOKEN: a well-behaved client. Says PING and stores a note in turn, one request every 10 ms, each after the answer to the one
// before, until its input ends; then it prints how long the answers took, and how late its own timer was each time (both in ms), as two JSON arrays in one.
// A process of its own, so that nothing else delays it but the machine, which the timer tells of.

const [port, id, token] = Deno.args;
const encoder = new TextEncoder(), decoder = new TextDecoder();
const conn = await Deno.connect({ port: Number(port) });
conn.setNoDelay(true);
const buffer = new Uint8Array(65536);
let received = "";

async function answer(has: string): Promise<void> {
  while (!received.includes(has)) {
    const n = await conn.read(buffer);
    if (n === null) throw new Error(`the server closed: ${received}`);
    received += decoder.decode(buffer.subarray(0, n), { stream: true });
  }
  received = received.slice(received.lastIndexOf("\n") + 1);
}

await conn.write(encoder.encode(`{"msgid":1,"id":${id},"token":"${token}","proto":2}\n`));
await answer('"errno":0');
const took: number[] = [], late: number[] = [];
let going = true;
const asked = Deno.stdin.read(new Uint8Array(1)).then(() => going = false);
for (let i = 0; going; i++) {
  const begun = performance.now();
  await conn.write(encoder.encode(i % 2 ? `{"msgid":13,"ref":"steady${i}"}\n` : `{"msgid":6,"toid":${id},"msg":"note","ref":"steady${i}"}\n`));
  await answer(`"steady${i}"`);
  const answered = performance.now();
  took.push(answered - begun);
  await new Promise((resolve) => setTimeout(resolve, 10));
  late.push(performance.now() - answered - 10);
}
await asked;
await Deno.stdout.write(encoder.encode(JSON.stringify([took, late])));
conn.close();
