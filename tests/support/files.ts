// Files over HTTP: a server with a folder of its own, and what a browser or curl sends it.

import type { Overrides } from "../../src/server.ts";
import type { TestDatabase } from "./databases.ts";
import { makeUsers, startServer, type TestServer, type TestUser } from "./server.ts";

/** What is told of a file. */
export interface FileTold {
  id: number;
  name: string;
  type: string;
  size: number;
  width?: number;
  height?: number;
}

/** A port that is free now, for a server whose address has to be known before it starts. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A server that takes files, and its users. */
export class FileServer implements AsyncDisposable {
  readonly #client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  /** Where the bytes stand. */
  readonly folder: string;

  private constructor(readonly server: TestServer, readonly users: TestUser[], folder: string) {
    this.folder = folder;
  }

  static async start(db: TestDatabase, settings: Record<string, string | number> = {}, overrides: Overrides = {}): Promise<FileServer> {
    const folder = await Deno.makeTempDir({ prefix: "natter_files_" });
    const server = await startServer(db, { http: "127.0.0.1:0", files: folder, ...settings }, overrides);
    return new FileServer(server, await makeUsers(db, 2), folder);
  }

  get port(): number {
    return this.server.server.addresses.http!.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url + path, { ...init, client: this.#client, redirect: "manual" });
  }

  /** POST /files. @param token by default the first user's */
  post(body: BodyInit, name?: string, token: string = this.users[0]!.token): Promise<Response> {
    const query = name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
    return this.fetch(`/files${query}`, { method: "POST", body, headers: { authorization: `Bearer ${token}` } });
  }

  /** Uploads a file, and says where it is. */
  async upload(body: BodyInit, name?: string, user = this.users[0]!): Promise<FileTold & { url: string }> {
    const response = await this.post(body, name, user.token);
    if (response.status !== 201) throw new Error(`refused: ${response.status} ${await response.text()}`);
    const file: FileTold = await response.json();
    const [row] = await this.server.db.query(`select urlkey from file where id = ${file.id}`);
    return { ...file, url: `/files/${row!.urlkey}` };
  }

  /** The places at which bytes stand, and what is on its way. */
  async stored(): Promise<string[]> {
    const found: string[] = [];
    for await (const { name } of Deno.readDir(this.folder)) {
      for await (const file of Deno.readDir(`${this.folder}/${name}`)) found.push(`${name}/${file.name}`);
    }
    return found.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    await this.server[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}
