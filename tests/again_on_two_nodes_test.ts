// What holds on one node holds on two: the same tests, with clients that connect to one node and the other in turn, over a real MariaDB and a real Redis.

import { onTwoNodes } from "./support/databases.ts";
import { useRedis } from "./support/redis.ts";

onTwoNodes(!useRedis);
const suites = [
  "direct",
  "groups",
  "friends",
  "signals",
  "order",
  "frozen_reader",
  "takeover",
  "presence_news",
  "login_race",
  "devices",
  "lists",
  "delete_load",
  "deeds_properties",
];
for (const suite of suites) await import(`./${suite}_test.ts`);
