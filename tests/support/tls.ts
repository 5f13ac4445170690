// TLS for tests: two pairs of certificate and key, the files of a server, and a client that shows whose certificate it saw.

import tls from "node:tls";
import { RawClient } from "./raw_client.ts";

const read = (name: string) => Deno.readTextFile(new URL(name, import.meta.url));
/** An EC key and an RSA key, each with its certificate. */
export const first = { cert: await read("localhost_cert.pem"), key: await read("localhost_key.pem"), name: "natter test" };
export const second = { cert: await read("renewed_cert.pem"), key: await read("renewed_key.pem"), name: "natter renewed" };
/** A certificate for the first key that ended in 2025, and an RSA key of 1,024 bits. */
export const ended = { cert: await read("ended_cert.pem"), key: first.key };
export const short = { cert: await read("short_cert.pem"), key: await read("short_key.pem") };
/** What clients believe. */
export const ca = [first.cert, second.cert];

/** The two files of a server, in a folder of the test's own. */
export class TlsFiles implements AsyncDisposable {
  readonly ca = ca;

  private constructor(readonly folder: string) {}

  static async of(pair: { cert: string; key: string } = first): Promise<TlsFiles> {
    const files = new TlsFiles(await Deno.makeTempDir({ prefix: "natter_test_" }));
    await files.write(pair);
    return files;
  }

  get flags() {
    return { "tls-cert": `${this.folder}/cert.pem`, "tls-key": `${this.folder}/key.pem` };
  }

  async write({ cert, key }: { cert: string; key: string }): Promise<void> {
    await Deno.writeTextFile(this.flags["tls-cert"], cert);
    await Deno.writeTextFile(this.flags["tls-key"], key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Connects, and checks whose certificate is shown. */
export function connectTls(port: number): Promise<{ client: RawClient; name: string }> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: "127.0.0.1", servername: "localhost", port, ca, allowHalfOpen: true } as tls.ConnectionOptions, () => {
      socket.off("error", reject);
      resolve({ name: String(socket.getPeerCertificate().subject.CN), client: RawClient.over(socket) });
    });
    socket.once("error", reject);
  });
}
