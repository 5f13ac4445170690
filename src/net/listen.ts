/** Listening, with errors that a person can act on. */
import type { Address } from "../config/config.ts";

/** Nobody can listen there; one clear line. */
export class ListenError extends Error {
  /** By which it is told from other errors. */
  override name = "ListenError";
}

/** Writes an address as the command line takes it: `127.0.0.1:6000`, `[::1]:6000`. */
export function formatAddress({ hostname, port }: Address): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/**
 * Listens for TCP connections.
 *
 * @throws {ListenError} which names the address and the reason.
 */
export function listen(address: Address): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: address.hostname, port: address.port });
  } catch (error) {
    throw listenError(address, error);
  }
}

/** Where it listens, with the port that was picked. */
export function addressOf({ addr: { hostname, port } }: Deno.TcpListener): Address {
  return { hostname, port };
}

/** Says which address cannot be listened on, and why. */
export function listenError(address: Address, error: unknown): ListenError {
  return new ListenError(`cannot listen on ${formatAddress(address)}: ${reason(error)}`, { cause: error });
}

function reason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (error instanceof Deno.errors.AddrInUse || code === "EADDRINUSE") return "another program listens there already";
  if (error instanceof Deno.errors.AddrNotAvailable || code === "EADDRNOTAVAIL") return "this machine does not have that address";
  if (error instanceof Deno.errors.PermissionDenied || code === "EACCES") {
    return "the system does not permit it (ports below 1024 are often reserved)";
  }
  return error instanceof Error ? error.message : String(error);
}
