// docs/grafana.json and docs/alerts.yml speak only of metrics, labels and values that a real server has.

import { assert, assertEquals } from "@std/assert";
import { testDatabase } from "./support/databases.ts";
import { makeUsers, startServer } from "./support/server.ts";
import { TlsFiles } from "./support/tls.ts";

const DOCS = new URL("../docs/", import.meta.url);
/** Those that Prometheus itself makes. */
const OF_PROMETHEUS = ["up"];

/** The metrics that an expression names. */
function namesIn(expr: string): string[] {
  return [...expr.matchAll(/\b(?:natter|process)_\w+\b|\bup\b/g)].map(([name]) => name);
}

/** What a server tells after somebody came, wrote and went: each metric, and the labels of it. */
async function told(): Promise<Map<string, Set<string>>> {
  await using db = await testDatabase("sqlite");
  await using files = await TlsFiles.of();
  await using s = await startServer(db, { http: "127.0.0.1:0", "tls-listen": "127.0.0.1:0", ...files.flags });
  const [user] = await makeUsers(db, 1);
  await using client = await s.client(user!);
  await client.request({ msgid: 6, toid: user!.id, msg: "a note" });
  await client.request({ msgid: 3 });
  const metrics = new Map<string, Set<string>>();
  const body = await (await fetch(`http://127.0.0.1:${s.server.addresses.http?.port}/metrics`)).text();
  for (const [, name, labels] of body.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = metrics.get(name!) ?? new Set();
    for (const [, label] of (labels ?? "").matchAll(/(\w+)="/g)) known.add(label!);
    metrics.set(name!, known);
  }
  return metrics;
}

interface Panel {
  title: string;
  type: string;
  targets?: { expr: string; legendFormat: string }[];
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
}

Deno.test("monitoring: the dashboard and the alerts name what a server tells", async () => {
  const metrics = await told();
  const dashboard = JSON.parse(await Deno.readTextFile(new URL("grafana.json", DOCS)));
  const panels: Panel[] = dashboard.panels;
  const used = new Set<string>();
  for (const { title, type, targets = [], datasource } of panels) {
    if (type === "row") continue;
    assert(targets.length > 0, title);
    assertEquals(datasource?.uid, "${datasource}", title);
    for (const { expr, legendFormat } of targets) {
      const names = namesIn(expr);
      assert(names.length > 0, title);
      for (const name of names) assert(metrics.has(name), `${title}: there is no ${name}`);
      for (const name of names) used.add(name.replace(/_(bucket|sum|count)$/, ""));
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        assert(label === "instance" || names.some((name) => metrics.get(name)!.has(label!)), `${title}: there is no label ${label}`);
      }
    }
  }
  // Nothing that the server tells is missing on the dashboard, and no panel covers another.
  const all = [...metrics.keys()].map((name) => name.replace(/_(bucket|sum|count)$/, ""));
  assertEquals(new Set(all.filter((name) => !used.has(name))), new Set(["process_start_time_seconds"]));
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, i) => `${x + i % w},${y + Math.floor(i / w)}`));
  assertEquals(new Set(cells).size, cells.length);
  assertEquals(new Set(panels.map((panel) => (panel as unknown as { id: number }).id)).size, panels.length);

  const alerts = await Deno.readTextFile(new URL("alerts.yml", DOCS));
  const expressions = [...alerts.matchAll(/^ +expr: (.+)$/gm)].map(([, expr]) => expr!);
  assertEquals(expressions.length, [...alerts.matchAll(/^ +- alert: /gm)].length);
  for (const expr of expressions) {
    assert(namesIn(expr).length > 0, expr);
    for (const name of namesIn(expr)) assert(metrics.has(name) || OF_PROMETHEUS.includes(name), `${expr}: there is no ${name}`);
  }
});
