/** What the benchmark answers: one row for each question. */

/** What is asked. */
export interface Row {
  /** What is measured, against what. */
  work: string;
  /** Absent: it is there for information. A relay in C is no goal: what Deno's sockets cost beside the kernel's natter cannot take away. */
  goal?: number;
  /** More is better. */
  atLeast: boolean;
  /** Of goal and figure; × is a ratio of two figures of the same run. */
  unit: "×" | "µs" | "KB" | "/s" | "s" | "ms";
}

const ratio = (work: string, goal: number): Row => ({ work, goal, atLeast: true, unit: "×" });
const info = (work: string): Row => ({ work, atLeast: true, unit: "×" });
const most = (work: string, goal: number, unit: Row["unit"]): Row => ({ work, goal, atLeast: false, unit });

/** All rows by name, in the order of the table. */
export const rows = {
  "signal-1": ratio("SIGNAL, closed loop, 1 pair, over a raw Deno relay", 0.85),
  "signal-10": ratio("SIGNAL, closed loop, 10 pairs, over a raw Deno relay", 0.85),
  "signal-100": ratio("SIGNAL, closed loop, 100 pairs, over a raw Deno relay", 0.85),
  "signal-100-c": info("SIGNAL, closed loop, 100 pairs, over a C relay"),
  "burst-c": info("SIGNAL, 100 in flight, 10 pairs, over a C relay that writes line by line"),
  "burst-single": ratio("SIGNAL, 100 in flight, 10 pairs, over natter writing each message", 6),
  "chat-sqlite": ratio("CHAT on SQLite, closed loop, 100 pairs, over SIGNAL", 0.4),
  "chat-mysql": ratio("CHAT on MariaDB, closed loop, 100 pairs, over SIGNAL", 0.2),
  "chat-one-device": ratio("CHAT of users with one device, SQLite, 100 pairs, over 0.1", 0.95),
  "chat-three-devices": most("CPU of a CHAT, three devices of each user online, over one of each", 2.2, "×"),
  "group-signal": most("SIGNAL to a group of 1,000, CPU per delivery above a raw Deno server's", 1.5, "µs"),
  "group-chat": most("GROUP_CHAT to 1,000 (SQLite), CPU per delivery above a raw Deno server's", 8, "µs"),
  "idle": most("memory per idle connection, 10,000 logged in", 18, "KB"),
  "login-sqlite": { work: "login by token, 64 at a time, SQLite", goal: 10_000, atLeast: true, unit: "/s" },
  "login-mysql": { work: "login by token, 64 at a time, MariaDB", goal: 5000, atLeast: true, unit: "/s" },
  "login-groups": most("login by token in 20 groups of 1,000, over one without groups", 1.3, "×"),
  "login-groups-size": most("LOGIN_ACK in 20 groups of 1,000", 8, "KB"),
  "vanish-4000": most("4,000 vanish, until the last is offline in the database", 0.35, "s"),
  "vanish-10000": most("10,000 vanish, until the last is offline in the database", 0.6, "s"),
  "start": most("start to the ready line, over an empty Deno server", 2.5, "×"),
  "bystanders": most("CPU per message with 10,000 idle bystanders, over none", 1.1, "×"),
  "stall": most("longest stall under CHAT load: a PING's round trip, SQLite, 100 pairs", 20, "ms"),
} satisfies Record<string, Row>;

export type RowName = keyof typeof rows;

/** What came out for one row. */
export interface Result {
  row: RowName;
  /** In the row's unit; undefined: it could not be measured. */
  figure: number | undefined;
  /** What the figure was made of, or why there is none. */
  detail: string;
  /** The load generator's highest share of a core. */
  load?: number;
}

/** Whether the figure reaches the goal; undefined: the row has none. */
export function met({ row, figure }: Result): boolean | undefined {
  const { goal, atLeast } = rows[row] as Row;
  if (goal === undefined) return undefined;
  return figure !== undefined && (atLeast ? figure >= goal : figure <= goal);
}
