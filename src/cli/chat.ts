/** `natter chat [HOST:PORT]`: the terminal client, from its arguments to its exit code. */
import { TextLineStream } from "@std/streams/text-line-stream";
import { parseArgs } from "node:util";
import { interactive, type Who } from "../client/terminal/interactive.ts";
import { pipe } from "../client/terminal/pipe.ts";
import { tcp } from "../client/tcp_transport.ts";
import { address, ConfigError, quote } from "../config/values.ts";
import { complain, print } from "./output.ts";
import { readPassword } from "./password_prompt.ts";

/** The usual port. */
const PORT = 6000;

/** Runs the client. Resolves with the exit code: 0, 1 if something failed, 2 for bad arguments. */
export async function chat(args: string[]): Promise<number> {
  try {
    const { hostname, port, tls, who } = await parse(args);
    const connect = tcp({ hostname, port, tls });
    if (Deno.stdin.isTerminal() && Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb") {
      const server = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
      return await interactive({ connect, server, who, colours: !Deno.noColor });
    }
    if (!who.peer) {
      throw new ConfigError("without a terminal, --name or --id is wanted, and the password in NATTER_PASSWORD or as the first line of the input");
    }
    // A terminal whose output goes elsewhere: the password is still not shown.
    const asked = who.password ?? (Deno.stdin.isTerminal() ? await readPassword("Password: ") : undefined);
    const lines = stdinLines();
    const password = asked ?? (await lines.next()).value;
    if (!password) throw new ConfigError("no password: NATTER_PASSWORD, or the first line of the input");
    return await pipe({ connect, who: { ...who, peer: who.peer, password }, lines, output: { print, complain } });
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
  if (id !== undefined && !/^\d{1,15}$/.test(id)) throw new ConfigError(`--id: ${quote(id)} is not a number`);
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

function stdinLines(): AsyncIterator<string> {
  return Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())[Symbol.asyncIterator]();
}
