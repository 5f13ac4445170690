// The examples do what they say, against a real server.

import { testExamples } from "./support/examples.ts";

testExamples("examples", new URL("../examples/", import.meta.url));
