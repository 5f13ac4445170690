/** A TLS handshake with oneself: whatever is wrong with a certificate and its key, clients would be the first to see it. */
import { Duplex } from "node:stream";
import { connect, createSecureContext, type SecureContext, TLSSocket } from "node:tls";

/** How long it may take (ms). */
const TRIAL_MS = 5000;

/** Shakes hands, as a server with this certificate and as a client that believes everything. Rejects with an Error if that fails. */
export async function tryHandshake(pem: { cert: string; key: string }): Promise<void> {
  const context = createSecureContext(pem);
  const ends = pipe();
  let late: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([shake(context, ends), new Promise((_, reject) => late = setTimeout(() => reject(new Error("it never ends")), TRIAL_MS))]);
  } finally {
    clearTimeout(late);
    for (const end of ends) end.destroy();
  }
}

async function shake(context: SecureContext, [here, there]: [Duplex, Duplex]): Promise<void> {
  type Socket = ConstructorParameters<typeof TLSSocket>[0];
  const server = new TLSSocket(here as unknown as Socket, { isServer: true, secureContext: context });
  const client = connect({ socket: there as unknown as Socket, servername: "localhost", rejectUnauthorized: false });
  try {
    const done = (socket: TLSSocket, event: "secure" | "secureConnect") =>
      new Promise<void>((resolve, reject) => {
        socket.once(event, resolve);
        socket.on("error", reject);
      });
    await Promise.all([done(server, "secure"), done(client, "secureConnect")]);
  } finally {
    client.destroy();
    server.destroy();
  }
}

/** Two ends: what is written to one is read at the other. */
function pipe(): [Duplex, Duplex] {
  const end = (other: () => Duplex) =>
    new Duplex({
      read: () => {},
      write: (chunk, _encoding, done) => {
        other().push(chunk);
        done();
      },
      final: (done) => {
        other().push(null);
        done();
      },
    }).on("error", () => {});
  const one: Duplex = end(() => two), two: Duplex = end(() => one);
  return [one, two];
}
