/** Modules of Node's, loaded when they are first used: with what they bring they would be a third and more of the time to start. */

let crypto: typeof import("node:crypto") | undefined;
let buffer: typeof import("node:buffer") | undefined;

/** `node:crypto`. */
export function nodeCrypto(): typeof import("node:crypto") {
  return crypto ??= process.getBuiltinModule("node:crypto");
}

/** `node:buffer`. */
export function nodeBuffer(): typeof import("node:buffer") {
  return buffer ??= process.getBuiltinModule("node:buffer");
}

/** `node:fs`. */
export function nodeFs(): typeof import("node:fs") {
  return process.getBuiltinModule("node:fs");
}

/** `node:path`. */
export function nodePath(): typeof import("node:path") {
  return process.getBuiltinModule("node:path");
}
