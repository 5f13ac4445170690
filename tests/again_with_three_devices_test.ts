// What holds for users with one device holds for users with three: the same tests, in which two other devices of each user, one that reads and one that is frozen, come and
// go with the one that the test looks at. Those that work all the time.

import { withThreeDevices } from "./support/companions.ts";

withThreeDevices();
for (const suite of ["acknowledged", "frozen_reader", "crash", "login_race"]) await import(`./${suite}_test.ts`);
