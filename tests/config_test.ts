import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type Config, ConfigError, fields, flagName, flags, parseConfig, variableName } from "../src/config/config.ts";

function parse(args: string[], env: Record<string, string> = {}): Config {
  return parseConfig(args, (name) => env[name]);
}

/** The one line that these arguments are refused with. */
function refusal(args: string[], env: Record<string, string> = {}): string {
  const { message } = assertThrows(() => parse(args, env), ConfigError);
  assertEquals(message.split("\n").length, 1, "one line");
  return message;
}

Deno.test("config: the defaults are those of the documentation", () => {
  const config = parse([]);
  assertMatch(config.node, /^[A-Za-z0-9._-]{1,64}$/);
  assertEquals({ ...config, node: "a", log: "json" }, {
    listen: { hostname: "127.0.0.1", port: 6000 },
    tlsListen: undefined,
    tlsCert: undefined,
    tlsKey: undefined,
    http: { hostname: "127.0.0.1", port: 6080 },
    https: undefined,
    metrics: undefined,
    database: { kind: "sqlite", path: "natter.db" },
    files: "natter-files",
    url: undefined,
    redis: undefined,
    node: "a",
    heartbeat: 10,
    onConflict: "probe",
    limits: true,
    trustedProxy: [],
    allowOrigin: [],
    keepDays: undefined,
    maxConnections: 10000,
    maxLine: 65536,
    maxGroup: 2000,
    maxInbox: 100000,
    maxDevices: 20,
    maxFile: 25 * 1024 ** 2,
    userQuota: 1024 ** 3,
    tokenDays: 90,
    push: "on",
    directory: false,
    registration: "open",
    invites: "operator",
    loginTimeout: 300,
    sendQueue: 1048576,
    log: "json",
    logLevel: "info",
  });
});

/** For every flag: a text, and what it means. */
const good: { [K in keyof Config]: [string, Config[K]][] } = {
  listen: [["[::1]:6000", { hostname: "::1", port: 6000 }], ["zürich.example:6000", { hostname: "zürich.example", port: 6000 }], ["localhost:0", {
    hostname: "localhost",
    port: 0,
  }]],
  tlsListen: [["0.0.0.0:6001", { hostname: "0.0.0.0", port: 6001 }], ["off", undefined]],
  tlsCert: [["/etc/natter/cert.pem", "/etc/natter/cert.pem"]],
  tlsKey: [["/etc/natter/key.pem", "/etc/natter/key.pem"]],
  http: [["off", undefined], ["[::]:80", { hostname: "::", port: 80 }]],
  https: [["127.0.0.1:443", { hostname: "127.0.0.1", port: 443 }]],
  metrics: [["127.0.0.1:9100", { hostname: "127.0.0.1", port: 9100 }]],
  database: [
    ["sqlite:/var/lib/natter/natter.db", { kind: "sqlite", path: "/var/lib/natter/natter.db" }],
    ["mysql://root@127.0.0.1:3306/chat", { kind: "mysql", url: "mysql://root@127.0.0.1:3306/chat" }],
    ["mysql://a:p%40ss@[::1]/chat", { kind: "mysql", url: "mysql://a:p%40ss@[::1]/chat" }],
    ["mysql://[::1]/chat?ssl=false", { kind: "mysql", url: "mysql://[::1]/chat?ssl=false" }],
    ["mysql://db.example/chat?ssl=true", { kind: "mysql", url: "mysql://db.example/chat?ssl=true" }],
  ],
  files: [["/var/lib/natter/files", "/var/lib/natter/files"], ["off", undefined]],
  url: [["https://chat.example.org", "https://chat.example.org"]],
  redis: [["redis://127.0.0.1:6379", "redis://127.0.0.1:6379"], ["rediss://:pw@cache/1", "rediss://:pw@cache/1"], ["off", undefined]],
  node: [["node-1.example_a", "node-1.example_a"]],
  heartbeat: [["0.25", 0.25], ["30", 30]],
  onConflict: [["probe", "probe"], ["refuse", "refuse"], ["replace", "replace"]],
  limits: [["on", true], ["off", false]],
  trustedProxy: [["127.0.0.1, ::1", ["127.0.0.1", "::1"]], ["::ffff:10.0.0.255,2001:DB8::", ["10.0.0.255", "2001:db8::"]], ["none", []]],
  allowOrigin: [["https://a.example,http://localhost:8080", ["https://a.example", "http://localhost:8080"]]],
  keepDays: [["30", 30], ["forever", undefined]],
  maxConnections: [["1", 1]],
  maxLine: [["1024", 1024], ["64KiB", 65536]],
  maxGroup: [["2", 2]],
  maxInbox: [["1", 1]],
  maxDevices: [["0", 0], ["20", 20]],
  maxFile: [["1", 1], ["2GiB", 2 * 1024 ** 3]],
  userQuota: [["4096", 4096], ["10GiB", 10 * 1024 ** 3]],
  tokenDays: [["0.5", 0.5], ["90", 90]],
  push: [["any", "any"], ["off", "off"]],
  directory: [["on", true], ["off", false]],
  registration: [["open", "open"], ["invite", "invite"], ["closed", "closed"]],
  invites: [["operator", "operator"], ["members", "members"]],
  loginTimeout: [["0.5", 0.5]],
  sendQueue: [["1048576", 1048576], ["1MiB", 1048576], ["512KiB", 524288]],
  log: [["pretty", "pretty"], ["json", "json"]],
  logLevel: [["debug", "debug"], ["info", "info"], ["warning", "warning"], ["error", "error"]],
};

/** What a flag needs beside it, to be accepted. */
function company(field: keyof Config): string[] {
  if (field === "tlsListen" || field === "https") return ["--tls-cert", "c", "--tls-key", "k"];
  if (field === "tlsCert") return ["--tls-key", "k", "--https", "a:1"];
  if (field === "tlsKey") return ["--tls-cert", "c", "--https", "a:1"];
  if (field === "redis") return ["--database", "mysql://h/n"];
  return [];
}

Deno.test("config: every flag, and every environment variable", () => {
  assertEquals(Object.keys(good), fields as string[]);
  for (const field of fields) {
    for (const [text, value] of good[field]) {
      const others = text === "off" ? [] : company(field);
      assertEquals(parse(["--" + flagName(field), text, ...others])[field], value, `--${flagName(field)} ${text}`);
      assertEquals(parse([`--${flagName(field)}=${text}`, ...others])[field], value);
      assertEquals(parse(others, { [variableName(field)]: text })[field], value, `${variableName(field)}=${text}`);
    }
  }
});

Deno.test("config: names of flags and variables", () => {
  assertEquals(flagName("tlsListen"), "tls-listen");
  assertEquals(variableName("tlsListen"), "NATTER_TLS_LISTEN");
});

Deno.test("config: a flag wins over its variable, the last of two flags over the first; an empty variable is none", () => {
  assertEquals(parse(["--heartbeat", "5"], { NATTER_HEARTBEAT: "7" }).heartbeat, 5);
  assertEquals(parse(["--heartbeat", "5", "--heartbeat", "6"]).heartbeat, 6);
  assertEquals(parse([], { NATTER_HEARTBEAT: "" }).heartbeat, 10);
});

/** For every flag: texts that are refused. */
const bad: { [K in keyof Config]: string[] } = {
  listen: ["6000", ":6000", "127.0.0.1", "127.0.0.1:", "a:65536", "a:-1", "::1:6000", "[::1]", "[1.2.3.4]:1", "a b:1", "http://a:1", "off"],
  tlsListen: ["6000"],
  tlsCert: ["a\0b"],
  tlsKey: ["a\0b"],
  http: ["on"],
  https: ["1"],
  metrics: ["1"],
  database: [
    "natter.db",
    "sqlite:",
    "mysql://h",
    "mysql://h/",
    "mysql:///n",
    "mysql://h/a/b",
    "postgres://h/n",
    "mysql://%zz@h/n",
    "mysql://h:99999/n",
    "mysql://h/n?ssl=maybe",
    "mysql://h/n?charset=utf8",
    "mysql://127.0.0.1/n?ssl=true",
    "mysql://[::1]/n?ssl=true",
  ],
  files: ["a\0b"],
  url: ["chat.example.org", "https://chat.example.org/", "ftp://chat.example.org", "wss://chat.example.org"],
  redis: ["127.0.0.1:6379", "http://h", "redis://h/x"],
  node: ["a b", "a/b", "x".repeat(65), "名"],
  heartbeat: ["0", "-1", "1e9", "NaN", "Infinity", "ten", "3601", " 5", "0x10"],
  onConflict: ["Probe", "kill"],
  limits: ["true", "0"],
  trustedProxy: ["localhost", "127.0.0.1,", "10.0.0.0/8", "127.1", "010.0.0.1", "1.2.3.256", "1.2.3.4.", "[::1]", "1::2::3", "::1]/[", "12345"],
  allowOrigin: ["*", "example.org", "https://a.example/"],
  keepDays: ["0", "never"],
  maxConnections: ["0", "1.5"],
  maxLine: ["1023", "64k", "1GiB", "17MiB"],
  maxGroup: ["1"],
  maxInbox: ["0"],
  maxDevices: ["-1", "501", "1.5"],
  maxFile: ["0", "25MB", "2TiB"],
  userQuota: ["-1", "0", "0GiB", "4095", "1.5GiB"],
  tokenDays: ["0", "forever"],
  push: ["yes"],
  directory: ["yes"],
  registration: ["on", "Open"],
  invites: ["all"],
  loginTimeout: ["0"],
  sendQueue: ["0", "1.5MiB", "MiB"],
  log: ["text"],
  logLevel: ["trace", "warn"],
};

Deno.test("config: bad values are refused in one line that names their source", () => {
  assertEquals(Object.keys(bad), fields as string[]);
  for (const field of fields) {
    for (const text of bad[field]) {
      assert(refusal([`--${flagName(field)}=${text}`]).startsWith(`--${flagName(field)}: `));
      assert(refusal([], { [variableName(field)]: text }).startsWith(`${variableName(field)}: `));
    }
  }
});

Deno.test("config: a value may hold what a flag does; behind -- nothing is a flag", () => {
  assertEquals(parse(["--tls-cert=a=b\nc", "--tls-key", "-k", "--https", "a:1"]).tlsCert, "a=b\nc");
  assertEquals(parse(["--tls-cert=c", "--tls-key", "-k", "--https", "a:1"]).tlsKey, "-k");
  const positionals: string[] = [];
  assertEquals(parseConfig(["ann", "--node", "n", "--", "--node", "--", "-x"], () => undefined, positionals).node, "n");
  assertEquals(positionals, ["ann", "--node", "--", "-x"]);
});

Deno.test("config: without --files they are beside the SQLite file", () => {
  for (
    const [path, files] of [["n.db", "natter-files"], ["/var/lib/n.db", "/var/lib/natter-files"], ["../a/n.db", "../a/natter-files"], [
      "/n",
      "/natter-files",
    ]]
  ) {
    assertEquals(parse(["--database", `sqlite:${path}`]).files, files);
  }
  assertEquals(parse(["--database=mysql://a@b/c"]).files, undefined);
});

Deno.test("config: unknown flags, stray arguments, missing values", () => {
  assertMatch(refusal(["--prot", "1"]), /^unknown flag "--prot"/);
  assertMatch(refusal(["--no-limits"]), /^unknown flag/);
  assertMatch(refusal(["-p", "1"]), /^unknown flag "-p"/);
  assertMatch(refusal(["--prot=http://a:secret@b"]), /^unknown flag "--prot";/);
  assertMatch(refusal(["--listen", "--"]), /^--listen needs a value/);
  assertMatch(refusal(["extra"]), /^unexpected argument "extra"/);
  assertMatch(refusal(["--", "extra"]), /^unexpected argument "extra"/);
  assertMatch(refusal(["--listen"]), /^--listen needs a value: HOST:PORT$/);
  assertMatch(refusal(["--listen", "--http", "off"]), /^--listen needs a value/);
  assertMatch(refusal(["--listen="]), /^--listen needs a value/);
  assertMatch(refusal(["--listen", ""]), /^--listen needs a value/);
  assertMatch(refusal(["-"]), /^unexpected argument "-"/);
});

Deno.test("config: flags that need each other", () => {
  for (
    const alone of [["--tls-listen", "a:1"], ["--https", "a:1"], ["--https", "a:1", "--tls-cert", "c"], ["--tls-listen", "a:1", "--tls-key", "k"]]
  ) {
    assertMatch(refusal(alone), /needs --tls-cert and --tls-key$/);
  }
  assertMatch(refusal(["--tls-cert", "c", "--tls-key", "k"]), /neither is set$/);
  assertMatch(refusal(["--redis", "redis://h"]), /mysql/);
  assertMatch(refusal(["--metrics", "127.0.0.1:6080"]), /^--metrics has the same address as --http$/);
  assertEquals(parse(["--listen", "a:0", "--http", "a:0"]).http, { hostname: "a", port: 0 });
  assertMatch(refusal(["--user-quota", "0"]), /^--user-quota: "0" would refuse texts too.*--files off/);
});

Deno.test("config: no error repeats a password or a control character", () => {
  for (
    const args of [
      ["--database", "mysql://root:secret@h"],
      ["--database", "mysql://root:sec/ret@h/secret"],
      ["--database", "mysql://root@h/n?password=secret"],
      ["--redis", "http://:secret@h"],
      ["--listen", "mysql://root:secret@h/n"],
      ["mysql://root:secret@h/n"],
      ["--mysql://root:secret@h/n"],
    ]
  ) {
    assert(!/sec/.test(refusal(args)), refusal(args));
  }
  assertEquals(/\p{C}/u.test(refusal(["--listen", "\x1b[2J\x9b2J\n\u202e"])), false);
});

Deno.test("config: every default that is a text is accepted as a value", () => {
  for (const field of fields) {
    const flag = flags[field];
    if (!flag.otherwise) assertEquals(parse([`--${flagName(field)}=${flag.default}`])[field], parse([])[field], field);
  }
});
