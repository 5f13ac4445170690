/** Builds the page into `dist/`, when it is older than what it is made of: `deno run -A tools/build_page.ts`. It says something only if it cannot. */
import { brotliCompressSync, gzipSync } from "node:zlib";

const web = new URL("../src/web/", import.meta.url);
const dist = new URL("dist/", web);
/** What the page is made of, as far as we write it; the lockfile stands for the rest. */
const sources = [web, new URL("../client/", web), new URL("../../deno.lock", web)];
/** Goes into `dist/` as it is. The first of them is written last, and dates the build. */
const plain = ["index.html", "styles.css", "chat.css", "icon.svg", "manifest.webmanifest"];

/** Builds the page if it is not there or out of date. Throws an Error with what `deno bundle` said. */
export async function buildPage(): Promise<void> {
  const date = Math.max(...await Promise.all(sources.map(newest)));
  if (await dateOf(new URL(plain[0], dist)) >= date) return;
  await Deno.mkdir(dist, { recursive: true });
  // Whoever builds at the same moment writes the same; renaming lets nobody see half a file.
  const script = part("app.js");
  const args = ["bundle", "--quiet", "--platform", "browser", "--minify", "--output", path(script), path(new URL("app.tsx", web))];
  // From another folder the bundler would not find the page's settings, and make something that does not run, without a word.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: path(web), stdin: "null", stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`deno bundle: ${new TextDecoder().decode(stderr).trim()}`);
  await finish("app.js", await Deno.readFile(script), date);
  for (const name of plain.toReversed()) await finish(name, await Deno.readFile(new URL(name, web)), date);
}

/** Puts a file there, compressed and as it is: here is time for it, where it is served is not. */
async function finish(name: string, bytes: Uint8Array, date: number): Promise<void> {
  for (const [ending, content] of [[".br", brotliCompressSync(bytes)], [".gz", gzipSync(bytes, { level: 9 })], ["", bytes]] as const) {
    await Deno.writeFile(part(name), content);
    // As old as what was read: what is saved meanwhile is newer, and built next time.
    await Deno.utime(part(name), new Date(date), new Date(date));
    await Deno.rename(part(name), new URL(name + ending, dist));
  }
}

/** Of this build alone: two tests may build in one process. */
const build = crypto.randomUUID();

function part(name: string): URL {
  return new URL(`${name}.${build}`, dist);
}

/** When the newest file of a folder, or a file, was changed (ms). */
async function newest(url: URL): Promise<number> {
  if (!url.pathname.endsWith("/")) return await dateOf(url);
  const dates = [0];
  for await (const { name, isDirectory } of Deno.readDir(url)) {
    if (name !== "dist") dates.push(await newest(new URL(isDirectory ? `${name}/` : name, url)));
  }
  return Math.max(...dates);
}

async function dateOf(url: URL): Promise<number> {
  try {
    return (await Deno.stat(url)).mtime?.getTime() ?? 0;
  } catch {
    return -1;
  }
}

/** As programs take it. */
function path(url: URL): string {
  const { pathname } = url;
  return decodeURIComponent(Deno.build.os === "windows" ? pathname.slice(1) : pathname);
}

if (import.meta.main) {
  try {
    await buildPage();
  } catch (error) {
    await Deno.stderr.write(new TextEncoder().encode(`natter: the page cannot be built: ${error instanceof Error ? error.message : error}\n`));
    Deno.exit(1);
  }
}
