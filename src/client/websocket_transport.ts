/** Lines over WebSocket, for browsers (and whatever else has a global `WebSocket`). */
import type { Connect } from "./transport.ts";

/** How long a close may take before it is over without the server's word (ms). */
const CLOSE_HANDSHAKE_MS = 1000;

/** Connects to a server's WebSocket address, such as `wss://chat.example.org/ws`. */
export function websocket(url: string): Connect {
  return (events, signal) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      let over!: () => void;
      const closed = new Promise<void>((resolve) => over = resolve);
      const abort = () => socket.close();
      signal.addEventListener("abort", abort);
      closed.then(() => {
        signal.removeEventListener("abort", abort);
        // After a connection that stood this is ignored.
        reject(new Error(`${url} cannot be connected`));
        events.close();
      });
      socket.onclose = over;
      socket.onmessage = ({ data }) => {
        for (const line of String(data).split("\n")) events.line(line);
      };
      socket.onopen = () => {
        signal.removeEventListener("abort", abort);
        resolve({
          send: (line) => {
            if (socket.readyState === WebSocket.OPEN) socket.send(line);
          },
          close: async () => {
            socket.close();
            const timer = setTimeout(over, CLOSE_HANDSHAKE_MS);
            await closed;
            clearTimeout(timer);
          },
        });
      };
    });
}
