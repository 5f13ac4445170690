// Passwords whose hashing costs next to nothing. As a program it is `natter serve` with them, and as the command line has it otherwise.

import { Passwords } from "../../src/auth/passwords.ts";
import { serve } from "../../src/cli/serve.ts";

/** Hashes in no time, whatever the runtime. What it hashed no real server takes for good: it would hash it again at the next login. */
export function cheapPasswords(): Passwords {
  return new Passwords({ figures: { algorithm: "scrypt", ln: 4, r: 8, p: 1 } });
}

if (import.meta.main) Deno.exit(await serve(Deno.args, { passwords: cheapPasswords() }));
