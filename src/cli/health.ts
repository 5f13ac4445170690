/** `natter health`: whether a server runs. For containers and supervisors, which have no other program at hand to ask with. */
import { ConfigError, parseConfig } from "../config/config.ts";
import { formatAddress } from "../net/listen.ts";
import { complain, print } from "./output.ts";

/** How long the server may take to answer (ms). */
const HEALTH_MS = 4000;

/** Asks `/healthz` of the server with these settings. The exit code is 0 if it answers, 1 if not, 2 for a bad setting or without `--http`. */
export async function health(args: string[]): Promise<number> {
  try {
    const { http } = parseConfig(args, (name) => Deno.env.get(name));
    if (!http) throw new ConfigError("natter health asks at --http, which is off");
    // A server that listens everywhere is asked on this machine.
    const hostname = { "0.0.0.0": "127.0.0.1", "::": "::1" }[http.hostname] ?? http.hostname;
    const response = await fetch(`http://${formatAddress({ ...http, hostname })}/healthz`, { signal: AbortSignal.timeout(HEALTH_MS) });
    print((await response.text()).trim());
    return response.ok ? 0 : 1;
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    return error instanceof ConfigError ? 2 : 1;
  }
}
