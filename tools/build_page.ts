/** Builds the page into `dist/`, when it is older than what it is made of: `deno run -A tools/build_page.ts`. It says something only if it cannot. */
import { createHash } from "node:crypto";
import { brotliCompressSync, gzipSync } from "node:zlib";

const web = new URL("../src/web/", import.meta.url);
const dist = new URL("dist/", web);
/** What the page is made of, as far as we write it; the lockfile stands for the rest. */
const sources = [web, new URL("../client/", web), new URL("../search/", web), new URL("../../deno.lock", web)];
/** Goes into `dist/` as it is. The first of them is written last, and dates the build. */
const plain = [
  "index.html",
  "styles.css",
  "messages.css",
  "files.css",
  "chat.css",
  "icon.svg",
  "icon-192.png",
  "icon-512.png",
  "icon-maskable.png",
  "icon-apple.png",
  "manifest.webmanifest",
];
/** What is bundled, and of what. */
const scripts = [["app.js", "app.tsx"], ["worker.js", "worker/main.ts"]] as const;
/** Emoji of a later version are not known to browsers that are two years old. */
const EMOJI_VERSION = 15;
/** The group of what is no emoji by itself: colours of skin and hair. */
const COMPONENTS = 2;

/** Builds the page if it is not there or out of date. Throws an Error with what `deno bundle` said. */
export async function buildPage(): Promise<void> {
  const date = Math.max(...await Promise.all(sources.map(newest)));
  if (await dateOf(new URL(plain[0], dist)) >= date) return;
  await Deno.mkdir(dist, { recursive: true });
  // Whoever builds at the same moment writes the same; renaming lets nobody see half a file.
  for (const [name, source] of scripts) await finish(name, await bundle(name, source), date);
  for (const language of ["en", "zh"] as const) {
    await finish(`emoji_${language}.json`, new TextEncoder().encode(JSON.stringify(await emoji(language))), date);
  }
  for (const name of plain.toReversed()) {
    const bytes = await Deno.readFile(new URL(name, web));
    await finish(name, name === "index.html" ? await withVersions(bytes) : bytes, date);
  }
}

/** Puts a script and all that it imports into one. */
async function bundle(name: string, source: string): Promise<Uint8Array> {
  const script = part(name);
  const args = ["bundle", "--quiet", "--platform", "browser", "--minify", "--output", path(script), path(new URL(source, web))];
  // From another folder the bundler would not find the page's settings, and make something that does not run, without a word.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: path(web), stdin: "null", stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`deno bundle: ${new TextDecoder().decode(stderr).trim()}`);
  return await Deno.readFile(script);
}

/** Names the page's parts by what is in them: by their ETag, which `src/http/page.ts` makes in the same way. `src/web/worker/offline.ts` says what for. */
async function withVersions(index: Uint8Array): Promise<Uint8Array> {
  let html = new TextDecoder().decode(index);
  for (const [attribute, start, name] of html.matchAll(/((?:href|src)=")([^"]+)"/g)) {
    const version = createHash("sha256").update(await Deno.readFile(new URL(name!, dist))).digest("base64url").slice(0, 22);
    html = html.replace(attribute, `${start}${name}?v=${version}"`);
  }
  return new TextEncoder().encode(html);
}

/** All emoji by groups, in one colour of skin: what each is called, and what else it is found by. */
async function emoji(language: "en" | "zh"): Promise<{ group: number; emoji: [string, string][] }[]> {
  // Only whoever builds needs it.
  const { default: data } = language === "en"
    ? await import("emojibase-data/en/data.json", { with: { type: "json" } })
    : await import("emojibase-data/zh/data.json", { with: { type: "json" } });
  const isEmoji = new RegExp("^\\p{RGI_Emoji}$", "v");
  const groups = new Map<number, [string, string][]>();
  for (const { emoji, label, tags, group, version } of data.toSorted((a, b) => (a.order ?? 0) - (b.order ?? 0))) {
    if (group === undefined || group === COMPONENTS || version > EMOJI_VERSION || !isEmoji.test(emoji)) continue;
    const names = [label, ...tags ?? []].map((name) => name.toLowerCase());
    groups.set(group, [...groups.get(group) ?? [], [emoji, [...new Set(names)].join(";")]]);
  }
  return [...groups].map(([group, emoji]) => ({ group, emoji }));
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
