/** `natter chat [HOST:PORT]`: the terminal client, from its arguments to its exit code. */
import { Buffer } from "node:buffer";
import { TextLineStream } from "@std/streams/text-line-stream";
import { parseArgs } from "node:util";
import { interactive, type Who } from "../client/terminal/interactive.ts";
import { pipe } from "../client/terminal/pipe.ts";
import { tcp } from "../client/tcp_transport.ts";
import { address, ConfigError, quote } from "../config/values.ts";
import { decodeUtf8 } from "../wire/utf8.ts";
import { complain, print } from "./output.ts";
import { readPassword } from "./password_prompt.ts";

/** The usual port. */
const PORT = 6000;

/** Runs the client. Resolves with the exit code: 0, 1 if something failed, 2 for bad arguments. */
export async function chat(args: string[]): Promise<number> {
  try {
    const { hostname, port, tls, who } = await parse(args);
    const connect = tcp({ hostname, port, tls });
    // An authority of one's own is believed for files, too.
    const authority = typeof tls === "object" ? Deno.createHttpClient(tls) : undefined;
    const http = authority && { fetch: (url: string | URL | Request, init?: RequestInit) => fetch(url, { ...init, client: authority }) };
    if (Deno.stdin.isTerminal() && Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb") {
      const server = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
      return await interactive({ connect, server, who, colours: !Deno.noColor, http });
    }
    if (!who.peer) {
      throw new ConfigError("without a terminal, --name or --id is wanted, and the password in NATTER_PASSWORD or as the first line of the input");
    }
    // A terminal whose output goes elsewhere: the password is still not shown.
    const asked = who.password ?? (Deno.stdin.isTerminal() ? await readPassword("Password: ") : undefined);
    const lines = stdinLines();
    const password = asked ?? (await lines.next()).value;
    if (!password) throw new ConfigError("no password: NATTER_PASSWORD, or the first line of the input, in UTF-8");
    return await pipe({ connect, who: { ...who, peer: who.peer, password }, lines, output: { print, complain }, http });
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    return error instanceof ConfigError ? 2 : 1;
  }
}

async function parse(args: string[]): Promise<{ hostname: string; port: number; tls?: boolean | { caCerts: string[] }; who: Who }> {
  const { values: { name, id, register = false, invite, tls, ca }, positionals } = parsed(args);
  if (positionals.length > 1) throw new ConfigError("wanted: natter chat [HOST:PORT] (and flags)");
  if (name !== undefined && id !== undefined) throw new ConfigError("either --name or --id");
  if ((register || invite !== undefined) && name === undefined && id !== undefined) {
    throw new ConfigError("--register and --invite go with --name: the server gives the number");
  }
  if (id !== undefined && !/^[1-9]\d{0,14}$/.test(id)) throw new ConfigError(`--id: ${quote(id)} is not a user's number`);
  const where = positionals[0] ?? `127.0.0.1:${PORT}`;
  // A lone host, also an IPv6 address in brackets, has the usual port.
  const { hostname, port } = address(/:\d+$/.test(where) && !where.endsWith("]") ? where : `${where}:${PORT}`);
  const peer = name !== undefined ? { name } : id !== undefined ? { id: Number(id) } : undefined;
  const password = Deno.env.get("NATTER_PASSWORD");
  return {
    hostname,
    port,
    tls: ca === undefined ? tls : { caCerts: [await readAuthority(ca)] },
    who: { peer, password, register: register || invite !== undefined, invite },
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        name: { type: "string" },
        id: { type: "string" },
        register: { type: "boolean" },
        invite: { type: "string" },
        tls: { type: "boolean" },
        ca: { type: "string" },
      },
    });
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}

async function readAuthority(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    throw new ConfigError(`--ca: cannot read ${quote(file)}: ${(error as Error).message}`);
  }
}

/** The lines of the input; undefined: one that is not UTF-8. Until they are cut, each byte is a character. */
async function* stdinLines(): AsyncGenerator<string | undefined> {
  const characters = new TransformStream<Uint8Array, string>({ transform: (chunk, out) => out.enqueue(Buffer.from(chunk).toString("latin1")) });
  let first = true;
  for await (const line of Deno.stdin.readable.pipeThrough(characters).pipeThrough(new TextLineStream())) {
    const text = decodeUtf8(Buffer.from(line, "latin1"));
    // A byte order mark.
    yield first ? text?.replace(/^\ufeff/, "") : text;
    first = false;
  }
}
