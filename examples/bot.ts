/**
 * A bot that answers: `time`, `roll 20`, `join GROUP`; anything else it says back. In a group it answers what begins with its name.
 *
 *     deno run --allow-net --allow-env=NATTER_TOKEN examples/bot.ts 127.0.0.1:6000 bot
 *
 * with what `natter bot bot` printed in NATTER_TOKEN; without one it is a user like others:
 *
 *     deno run --allow-net examples/bot.ts 127.0.0.1:6000 bot "a good password"
 *
 * It answers each message once, however often it is started anew or the connection breaks: what it has not handled comes again, and its answer's `mid` is
 * made of the message's number, so that the server takes it for the same one.
 */
import { type IncomingMessage, NatterClient, NatterError } from "../src/client/natter_client.ts";
import { tcp } from "../src/client/tcp_transport.ts";

const [address = "127.0.0.1:6000", user = "bot", password = "a good password"] = Deno.args;
const { hostname, port } = new URL(`tcp://${address}`);
const client = new NatterClient({ connect: tcp({ hostname, port: Number(port) }) });

client.on("message", async (message) => {
  const text = await answerTo(message);
  if (text === undefined) return;
  const to = message.groupid === undefined ? { id: message.id } : { groupid: message.groupid };
  try {
    // Until this is stored the message is not confirmed: nothing that was asked goes unanswered.
    await client.chat(to, text, { mid: `answer-${message.messageid}` });
  } catch (error) {
    // A definite no: the asker has blocked the bot, say.
    if (!(error instanceof NatterError)) throw error;
    console.error(`no answer to ${message.name}: ${error.message}`);
  }
});

client.on("state", (state) => {
  if (state.state === "offline") console.error(`offline: ${state.error.message}`);
  if (state.state === "closed" && "error" in state) Deno.exit(1);
});

/** What the bot says to a message; undefined: nothing. */
async function answerTo({ id, msg, groupid, deleted }: IncomingMessage): Promise<string | undefined> {
  // A bot that talks to itself does not stop. What was deleted meanwhile asks for nothing.
  if (id === client.session?.id || deleted) return undefined;
  const name = client.session!.name;
  if (groupid !== undefined && !msg.startsWith(`${name}:`)) return undefined;
  const [command, ...rest] = (groupid === undefined ? msg : msg.slice(name.length + 1)).trim().split(/\s+/);
  switch (command) {
    case "time":
      return new Date().toISOString();
    case "roll":
      return String(1 + Math.floor(Math.random() * (Number(rest[0]) || 6)));
    case "join":
      return await client.joinGroup({ name: rest.join(" ") }).then((group) => `I am in ${group.groupname}`, (error) => error.message);
    default:
      return `you said: ${[command, ...rest].join(" ")}`;
  }
}

const allowed = await Deno.permissions.query({ name: "env", variable: "NATTER_TOKEN" });
const token = allowed.state === "granted" ? Deno.env.get("NATTER_TOKEN") : undefined;
if (token === undefined) {
  await client.register(user, password).catch((error) => {
    // 1: it has an account from an earlier run.
    if (!(error instanceof NatterError && error.errno === 1)) throw error;
  });
}
const { name } = await client.login(token === undefined ? { name: user, password } : { name: user, token });
console.log(`${name} is here`);
