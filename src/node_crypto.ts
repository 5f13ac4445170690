let loaded: typeof import("node:crypto") | undefined;

/** `node:crypto`, loaded when it is first used: with Node's streams, which it brings, it would be a fifth of the time to start. */
export function nodeCrypto(): typeof import("node:crypto") {
  return loaded ??= process.getBuiltinModule("node:crypto");
}
