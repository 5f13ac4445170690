// How the page gets to the browser: its files over HTTP, and that a fresh clone has them.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { buildPage } from "../tools/build_page.ts";
import { testDatabase } from "./support/databases.ts";
import { Program } from "./support/program.ts";
import { startServer } from "./support/server.ts";

const ROOT = new URL("../", import.meta.url).pathname;

Deno.test("page files: types, policy, ETags, and nothing beside them", async () => {
  await buildPage();
  await using db = await testDatabase("sqlite");
  await using server = await startServer(db, { http: "127.0.0.1:0" });
  const url = `http://127.0.0.1:${server.server.addresses.http?.port}/`;
  const types: Record<string, string> = {
    "": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "styles.css": "text/css; charset=utf-8",
    "chat.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "icon-192.png": "image/png",
    "worker.js": "text/javascript; charset=utf-8",
    "manifest.webmanifest": "application/manifest+json",
  };
  for (const [path, type] of Object.entries(types)) {
    const response = await fetch(url + path);
    assertEquals([response.status, response.headers.get("content-type")], [200, type], path);
    const policy = response.headers.get("content-security-policy") ?? "";
    assertStringIncludes(policy, "default-src 'none'; script-src 'self';");
    assertStringIncludes(policy, "require-trusted-types-for 'script'");
    assert(!policy.includes("unsafe"));
    assert((await response.text()).length > 100);

    const etag = response.headers.get("etag") ?? "";
    assertMatch(etag, /^"\S{22}"$/);
    for (const known of [etag, `"other", W/${etag}`]) {
      const again = await fetch(url + path, { headers: { "if-none-match": known } });
      assertEquals([again.status, again.headers.get("etag"), await again.text()], [304, etag, ""], known);
    }
    const changed = await fetch(url + path, { headers: { "if-none-match": `"other"` } });
    assertEquals(changed.status, 200);
    await changed.body?.cancel();
    const head = await fetch(url + path, { method: "HEAD" });
    assertEquals([head.status, await head.text()], [200, ""]);
  }
  // What the page names by its content need not be asked for again; what is asked for by another content than it has, must.
  const index = await (await fetch(url)).text();
  const names = Array.from(index.matchAll(/(?:href|src)="([^"]+)"/g), ([, name]) => name!);
  assert(names.length > 5);
  for (const [name, forEver] of [...names.map((name) => [name, true] as const), ["app.js?v=other", false] as const, ["worker.js", false] as const]) {
    const response = await fetch(url + name);
    await response.body?.cancel();
    assertEquals([response.status, response.headers.get("cache-control")], [200, forEver ? "public, max-age=31536000, immutable" : "no-cache"], name);
  }
  for (const path of ["app.tsx", "deno.json", "dist/app.js", "..%2fdeno.json", "constructor", "index.htm"]) {
    const response = await fetch(url + path);
    assertEquals(response.status, 404, path);
    await response.body?.cancel();
  }
});

Deno.test("page files: a fresh clone says how to build the page, and `deno task start` does", async () => {
  const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
  try {
    for (const name of ["main.ts", "deno.json", "deno.lock", "schema.sql", "src", "tools"]) await copy(`${ROOT}${name}`, `${folder}/${name}`);
    const flags = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--database", `sqlite:${folder}/natter.db`, "--node", "test"];
    const deno = Deno.execPath();
    const env = Deno.env.toObject();
    {
      await using server = new Program(flags, { program: [deno, "run", "-A", "--quiet", `${folder}/main.ts`], env });
      const { http } = await server.ready();
      const response = await fetch(`http://127.0.0.1:${http}/`);
      assertEquals(response.status, 503);
      assertMatch(await response.text(), /^The web page is not built yet: run `deno task page`/);
    }
    await using server = new Program(flags, { program: [deno, "task", `--config=${folder}/deno.json`, "start"], env });
    const { tcp, http } = await server.ready();
    const response = await fetch(`http://127.0.0.1:${http}/app.js`);
    assertEquals(response.status, 200);
    assert((await response.text()).length > 10_000);
    server.kill("SIGTERM");
    const { code, stdout } = await server.ended();
    assertEquals([code, stdout], [0, `natter ready tcp=127.0.0.1:${tcp} http=127.0.0.1:${http}\n`]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A file or a folder, without what was built. */
async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) if (name !== "dist") await copy(`${from}/${name}`, `${to}/${name}`);
}
