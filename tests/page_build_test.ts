// The page that is served is the page that stands in the sources, and is small.

import { assert } from "@std/assert";
import { buildPage } from "../tools/build_page.ts";

const root = new URL("../", import.meta.url).pathname;

/** Copies a file or a folder, and dates it (ms). */
async function copy(from: string, to: string, date: number): Promise<void> {
  if ((await Deno.stat(from)).isFile) {
    await Deno.copyFile(from, to);
    return await Deno.utime(to, date / 1000, date / 1000);
  }
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) if (name !== "dist") await copy(`${from}/${name}`, `${to}/${name}`, date);
}

Deno.test("page: what is edited while the page is being built is in the next build", async () => {
  const folder = await Deno.makeTempDir({ prefix: "natter_test_" });
  try {
    const anHour = 3600_000, begun = Date.now();
    for (const name of ["tools", "src"]) await Deno.mkdir(`${folder}/${name}`);
    for (const name of ["deno.json", "deno.lock", "src/std.d.ts", "src/client", "src/search", "src/web", "tools/build_page.ts"]) {
      await copy(`${root}${name}`, `${folder}/${name}`, begun - anHour);
    }
    const build = async () => {
      const args = ["run", "-A", "--quiet", `${folder}/tools/build_page.ts`];
      const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, stdin: "null", stderr: "piped" }).output();
      assert(success, new TextDecoder().decode(stderr));
      return await Deno.readTextFile(`${folder}/src/web/dist/app.js`);
    };
    assert(!(await build()).includes("React."), "the page's own settings hold, wherever it is built from");
    // Saved before that build ended, and after it had read the file.
    const source = `${folder}/src/web/texts_en.ts`;
    const edited = (await Deno.readTextFile(source)).replace('"Connected"', '"Connected at last"');
    await Deno.writeTextFile(source, edited);
    await Deno.utime(source, (begun - anHour / 2) / 1000, (begun - anHour / 2) / 1000);
    assert((await build()).includes("Connected at last"), "the edit is not in it");
    // What nobody has touched is not built again.
    const made = (await Deno.stat(`${folder}/src/web/dist/app.js`)).mtime;
    await build();
    assert(made?.getTime() === (await Deno.stat(`${folder}/src/web/dist/app.js`)).mtime?.getTime());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("page: what is loaded before anything is shown is below 100 KB, compressed", async () => {
  await buildPage();
  const dist = `${root}src/web/dist/`;
  const index = await Deno.readTextFile(`${dist}index.html`);
  const names = ["index.html", ...Array.from(index.matchAll(/(?:href|src)="([^"]+)"/g), ([, name]) => name!.split("?")[0]!)];
  assert(names.includes("app.js") && names.includes("messages.css"), `${names}`);
  let bytes = 0;
  for (const name of names) bytes += (await Deno.stat(`${dist}${name}.gz`)).size;
  assert(bytes < 100_000, `${bytes} bytes`);
});

Deno.test("page: browsers that are two and a half years old have all that it needs", async () => {
  await buildPage();
  // What Chrome 115, Firefox 120 or Safari 17 lack: without these a page does not start, or cannot show what it got.
  const script =
    /withResolvers|Promise\.try|canParse|URL\.parse|fromAsync|groupBy|Segmenter|Iterator\.|\.(values|keys|entries)\(\)\.\w|AbortSignal\.any|\.toBase64|RegExp\.escape/;
  const style = /light-dark\(|@starting-style|field-sizing|text-wrap|anchor-name|^\s+&/m;
  for (const name of ["app.js", "worker.js", "styles.css", "messages.css", "files.css", "chat.css"]) {
    const young = name.endsWith(".js") ? script : style;
    const [found] = young.exec((await Deno.readTextFile(`${root}src/web/dist/${name}`)).replace(/\/\*.*?\*\//gs, "")) ?? [];
    assert(found === undefined, `${name}: ${found}`);
  }
});
