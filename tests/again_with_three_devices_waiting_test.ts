// What holds for users with one device holds for users with three: the same tests, in which two other devices of each user, one that reads and one that is frozen, come and
// go with the one that the test looks at. Those that wait most of the time.

import { withThreeDevices } from "./support/companions.ts";
import { together } from "./support/databases.ts";

withThreeDevices();
// How long logins take is measured alone.
const measured = /^takeover: the release|^takeover: who is being probed/;
await together(["node_death", "database_outage", "pulled_cable", "takeover"], 3, measured);
