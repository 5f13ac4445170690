/** The server to be checked, and bare connections to it: over TCP, TLS or WebSocket. They know lines, and nothing of what is in them. */

/** Where the server is. */
export interface Target {
  kind: "tcp" | "tls" | "ws";
  hostname: string;
  port: number;
  /** For WebSocket. */
  url: string;
  /** Certificates (PEM) of authorities to be believed beside the usual ones. */
  caCerts: string[];
}

/** What a connection reports. */
export interface WireEvents {
  line(text: string): void;
  /** It is over, whoever ended it. */
  end(): void;
}

/** A connection. */
export interface Wire {
  /** What ends a line: nothing in a WebSocket frame, whose own end does, and which is bounded like a line. */
  readonly lineEnd: string;
  /** Sends these bytes; over WebSocket a string is a text frame, bytes are a binary one. */
  write(data: string | Uint8Array): Promise<void>;
  /** Sends FIN and reads on. TCP only. */
  closeWrite(): Promise<void>;
  close(): Promise<void>;
}

/** `HOST:PORT`, `tcp://HOST:PORT`, `tls://HOST:PORT`, `ws://HOST:PORT` or `wss://…`, the path `/ws` unless another is given. Throws a TypeError at anything else. */
export function parseTarget(text: string, caCerts: string[] = []): Target {
  const url = URL.parse(text.includes("://") ? text : `tcp://${text}`);
  const kind = url && ({ "tcp:": "tcp", "tls:": "tls", "ws:": "ws", "wss:": "ws" } as const)[url.protocol];
  if (!url || !kind || url.hostname === "" || (kind !== "ws" && url.port === "")) throw new TypeError(`${JSON.stringify(text)} is no address`);
  if (kind === "ws" && url.pathname === "/") url.pathname = "/ws";
  return { kind, hostname: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port), url: url.href, caCerts };
}

/** Connects. Rejects if nobody is there. */
export function open(target: Target, events: WireEvents): Promise<Wire> {
  return target.kind === "ws" ? openWebSocket(target, events) : openStream(target, events);
}

async function openStream({ kind, hostname, port, caCerts }: Target, events: WireEvents): Promise<Wire> {
  const conn = kind === "tls" ? await Deno.connectTls({ hostname, port, caCerts }) : await Deno.connect({ hostname, port });
  // Small writes are to leave as they are made.
  if ("setNoDelay" in conn) conn.setNoDelay(true);
  const done = readLines(conn, events);
  const encoder = new TextEncoder();
  return {
    lineEnd: "\n",
    async write(data) {
      const bytes = typeof data === "string" ? encoder.encode(data) : data;
      for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    },
    closeWrite: () => conn.closeWrite(),
    async close() {
      closeQuietly(conn);
      await done;
    },
  };
}

async function readLines(conn: Deno.Conn, events: WireEvents): Promise<void> {
  const buffer = new Uint8Array(16_384);
  const decoder = new TextDecoder();
  let unfinished = "";
  for (;;) {
    // A reset is an end like any other here.
    const n = await conn.read(buffer).catch(() => null);
    if (n === null) break;
    const lines = (unfinished + decoder.decode(buffer.subarray(0, n), { stream: true })).split("\n");
    unfinished = lines.pop() ?? "";
    for (const line of lines) events.line(line);
  }
  closeQuietly(conn);
  events.end();
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // Closed already.
  }
}

function openWebSocket({ url }: Target, events: WireEvents): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const closed = Promise.withResolvers<void>();
    socket.onclose = () => {
      reject(new Error(`${url} cannot be connected`));
      events.end();
      closed.resolve();
    };
    // What ends a frame ends a line.
    socket.onmessage = ({ data }) => String(data).replace(/\n$/, "").split("\n").forEach((line) => events.line(line));
    socket.onopen = () =>
      resolve({
        lineEnd: "",
        write(data) {
          if (socket.readyState === WebSocket.OPEN) socket.send(data as string);
          return Promise.resolve();
        },
        closeWrite: () => Promise.reject(new Error("a WebSocket has no half-close")),
        async close() {
          socket.close();
          await closed.promise;
        },
      });
  });
}
