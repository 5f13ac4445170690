// What holds on one node holds on two: the same tests, with clients that connect to one node and the other in turn, over a real MariaDB and a real Redis.

import { onTwoNodes, together } from "./support/databases.ts";
import { useRedis } from "./support/redis.ts";

onTwoNodes(!useRedis);
// Nodes wait for each other, for Redis and for MySQL; and one that stops, until it has told who went with it. Two look at what the whole process logs.
const logged = /^order: a reading of the log that fails|^devices: one that nobody was told of/;
await together(["direct", "groups", "friends", "signals", "order", "frozen_reader", "devices", "lists", "delete_load"], 4, logged);
// These work more, and what they measure is measured alone.
const measured = /^PRESENCE \[|^takeover: the release|^takeover: who is being probed|^login race: of 4 logins|^login: a holder that says nothing/;
await together(["presence_news", "takeover", "login_race", "deeds_properties"], 3, measured);
