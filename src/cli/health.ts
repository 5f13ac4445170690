/** `natter health`: whether a server runs. For containers and supervisors, which have no other program at hand to ask with. */
import { ConfigError, parseConfig } from "../config/config.ts";
import { formatAddress } from "../net/listen.ts";
import { complain, print } from "./output.ts";

/** How long the server may take to answer (ms). */
const HEALTH_MS = 4000;

/** Asks `/healthz` of the server with these settings. The exit code is 0 if it answers, 1 if not, 2 for a bad setting or without `--http`. */
export async function health(args: string[]): Promise<number> {
  let asked = "";
  try {
    const { http } = parseConfig(args, (name) => Deno.env.get(name));
    if (!http) throw new ConfigError("natter health asks at --http, which is off");
    // A server that listens everywhere is asked on this machine.
    const hostname = { "0.0.0.0": "127.0.0.1", "::": "::1" }[http.hostname] ?? http.hostname;
    asked = formatAddress({ ...http, hostname });
    const response = await fetch(`http://${asked}/healthz`, { signal: AbortSignal.timeout(HEALTH_MS) });
    print((await response.text()).trim());
    return response.ok ? 0 : 1;
  } catch (error) {
    if (error instanceof ConfigError) {
      complain(error.message);
      return 2;
    }
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    complain(`${isLate ? `no answer within ${HEALTH_MS / 1000} s` : "no answer"} at ${asked}; --http says where the server has its page`);
    return 1;
  }
}
