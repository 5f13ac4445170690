/** `deno task compile:all`: the single program for each platform, into `dist/`. As `deno task compile` makes it for this one. */
import deno from "../deno.json" with { type: "json" };

/** What `deno compile --target` knows. */
const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
] as const;

const root = new URL("../", import.meta.url);
const line = deno.tasks.compile.command;

await Deno.mkdir(new URL("dist", root), { recursive: true });
for (const target of TARGETS) {
  // On Windows `deno compile` adds .exe itself.
  const args = line.replace("--output natter", `--target ${target} --output dist/natter-${deno.version}-${target}`).split(" ").slice(1);
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: root }).spawn().status;
  if (!success) Deno.exit(1);
}
