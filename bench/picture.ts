/**
 * Draws docs/performance.svg from what the benchmark has written: how far each figure is from its goal.
 *
 *     deno run -A bench/picture.ts [bench/results.json [docs/performance.svg]]
 */
import type { Result, Row } from "./rows.ts";

/** What bench/bench.ts writes. */
export interface Results {
  date: string;
  /** `generator`: what the load generator was written in. */
  machine: { cpu?: string; cores: number; kernel: string; deno: string; generator: string };
  rows: (Row & Result & { met: boolean | undefined })[];
}

const WIDTH = 960, ROW = 26, TOP = 56, LEFT = 560, RIGHT = 100;
/** A bar of this many times the goal fills the width. */
const MOST = 2;

/** How many times better than its goal: 1 is the goal itself. */
function reached({ figure, goal, atLeast }: Row & Result): number {
  if (figure === undefined || goal === undefined) return 0;
  return atLeast ? figure / goal : goal / Math.max(figure, 1e-9);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function short(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

/** The picture: one bar per row that has a goal, a line at the goal. Its colours follow the reader's scheme. */
export function picture({ machine, date, rows: all }: Results): string {
  const rows = all.filter(({ goal }) => goal !== undefined);
  const scale = (WIDTH - LEFT - RIGHT) / MOST;
  const goalX = LEFT + scale, height = TOP + rows.length * ROW + 12;
  const bars = rows.map((row, i) => {
    const y = TOP + i * ROW, times = reached(row), width = Math.max(1, Math.min(MOST, times) * scale);
    const figure = row.figure === undefined ? "not measured" : `${short(row.figure)} ${row.unit}`;
    return `<text x="${LEFT - 10}" y="${y + 16}" text-anchor="end">${escape(row.work)}</text>
<rect x="${LEFT}" y="${y + 4}" width="${width.toFixed(1)}" height="16" rx="2" class="${row.met ? "met" : "missed"}"/>
<text x="${(LEFT + width + 6).toFixed(1)}" y="${y + 16}" class="figure">${escape(figure)}${times > MOST ? " →" : ""}</text>`;
  });
  const about = `Deno ${machine.deno}, ${machine.cores} cores${machine.cpu ? ` (${machine.cpu})` : ""}, ${date.slice(0, 10)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="natter's figures against their goals">
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.figure { font-weight: 600 }
.about { fill: #57606a }
.met { fill: #2da44e }
.missed { fill: #d4752a }
line { stroke: #57606a; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .about { fill: #9198a1 }
  line { stroke: #9198a1 }
}
</style>
<text x="10" y="20" class="about">${escape(about)}. Longer is better.</text>
<text x="${goalX}" y="40" text-anchor="middle" class="about">goal</text>
<line x1="${goalX}" y1="46" x2="${goalX}" y2="${height - 8}"/>
${bars.join("\n")}
</svg>
`;
}

if (import.meta.main) {
  const here = (path: string) => new URL(path, import.meta.url).pathname;
  const [from = here("./results.json"), to = here("../docs/performance.svg")] = Deno.args;
  await Deno.writeTextFile(to, picture(JSON.parse(await Deno.readTextFile(from))));
}
