/**
 * The body of a request, in buffers of whoever takes it.
 *
 * A long one that comes over a plain connection goes from the kernel into them: node:http would copy it twice on its way, into memory that is new each time. It then
 * sees no end of the request, so the connection ends with the answer.
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Bytes } from "./exchange.ts";
import { NodeStream } from "./node_stream.ts";
import { LONG_BODY } from "./visitors.ts";

/** A request's body of so many bytes. A FIN before its end breaks it off: node:http, which lets clients half-close, would wait for the rest. */
export function bodyOf(request: IncomingMessage, length: number, buffer: () => Promise<Bytes>): AsyncGenerator<Bytes> {
  const { socket } = request;
  if (length > LONG_BODY && socket instanceof NodeStream) return taken(request, socket, length, buffer);
  const ended = () => request.complete || request.destroy(new Error("the client ended it"));
  socket.on("end", ended);
  request.on("close", () => socket.off("end", ended));
  if (socket.readableEnded) ended();
  return gathered(request.iterator({ destroyOnReturn: false }), buffer);
}

/** The same bytes in other buffers: each but the last one is full. A piece is not used any more when the next one is asked for. */
export async function* gathered(pieces: AsyncIterable<Uint8Array>, buffer: () => Promise<Bytes>): AsyncGenerator<Bytes> {
  let into = await buffer(), filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + into.length - filled);
      into.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < into.length) continue;
      yield into;
      into = await buffer();
      filled = 0;
    }
    giveBack(piece);
  }
  yield into.subarray(0, filled);
}

/** Frees a chunk's memory: V8 looks for buffers that nobody holds only when there are 64 MB of them. */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

async function* taken(request: IncomingMessage, stream: NodeStream, length: number, buffer: () => Promise<Bytes>): AsyncGenerator<Bytes> {
  // What node:http has of it already.
  const pieces: Uint8Array[] = [];
  for (let piece: Uint8Array | null; (piece = request.read()) !== null;) pieces.push(piece);
  let had: Uint8Array = Buffer.concat(pieces);
  stream.takeOver();
  const read = async (into: Bytes) => {
    try {
      return await stream.readInto(into);
    } catch (error) {
      request.destroy(error as Error);
      throw error;
    }
  };
  try {
    for (let left = length; left > 0;) {
      const into = (await buffer()).subarray(0, left);
      for (let filled = 0; filled < into.length;) {
        const free = into.subarray(filled);
        const part = had.subarray(0, free.length);
        free.set(part);
        had = had.subarray(part.length);
        filled += part.length || await read(free);
      }
      left -= into.length;
      yield into;
    }
  } finally {
    stream.letGo();
  }
}
