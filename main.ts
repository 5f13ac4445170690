import { complain, print } from "./src/cli/output.ts";
import deno from "./deno.json" with { type: "json" };

/** The oldest Deno that natter is tested on. */
const OLDEST = "2.7.14";

/** The commands. Each is loaded when it is called, takes the arguments after its name, and resolves with the exit code. */
const commands: Record<string, () => Promise<(args: string[]) => Promise<number>>> = {
  serve: async () => (await import("./src/cli/serve.ts")).serve,
  chat: async () => (await import("./src/cli/chat.ts")).chat,
  users: async () => (await import("./src/cli/operator.ts")).users,
  devices: async () => (await import("./src/cli/operator.ts")).devices,
  invite: async () => (await import("./src/cli/door.ts")).invite,
  adduser: async () => (await import("./src/cli/door.ts")).adduser,
  bot: async () => (await import("./src/cli/door.ts")).bot,
  deluser: async () => (await import("./src/cli/door.ts")).deluser,
  hook: async () => (await import("./src/cli/door.ts")).hook,
  reports: async () => (await import("./src/cli/door.ts")).reports,
  export: async () => (await import("./src/cli/export.ts")).exportUser,
  passwd: async () => (await import("./src/cli/operator.ts")).passwd,
  ban: async () => (await import("./src/cli/operator.ts")).ban,
  unban: async () => (await import("./src/cli/operator.ts")).unban,
  kick: async () => (await import("./src/cli/operator.ts")).kick,
  restored: async () => (await import("./src/cli/operator.ts")).restored,
  reindex: async () => (await import("./src/cli/operator.ts")).reindex,
  backup: async () => (await import("./src/cli/operator.ts")).backup,
  health: async () => (await import("./src/cli/health.ts")).health,
};

async function main(args: string[]): Promise<number> {
  if (isOlder(Deno.version.deno, OLDEST)) {
    complain(`this is Deno ${Deno.version.deno}, and natter needs ${OLDEST} or newer: deno upgrade, or npx -y deno@latest task start`);
    return 2;
  }
  if (args.includes("--help") || args.includes("-h")) {
    print((await import("./src/cli/help.ts")).help());
    return 0;
  }
  if (args.includes("--version")) {
    print(`natter ${deno.version}`);
    return 0;
  }
  const [name = "serve", ...rest] = args[0]?.startsWith("-") ? ["serve", ...args] : args;
  if (!Object.hasOwn(commands, name)) {
    // It may be a URL with a password.
    const { quote } = await import("./src/config/values.ts");
    complain(`unknown command ${quote(name)}; natter --help lists them`);
    return 2;
  }
  return await (await commands[name]())(rest);
}

/** Compares versions such as 2.7.14. (`localeCompare` would load the runtime's collation first, which takes longer than all else here.) */
function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((v) => v.split(".").map((part) => parseInt(part)));
  const at = b!.findIndex((part, i) => part !== a![i]);
  return at >= 0 && !(a![at]! > b![at]!);
}

Deno.exit(await main(Deno.args));
