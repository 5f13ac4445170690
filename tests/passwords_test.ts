import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { Busy, Passwords, UnsupportedHash } from "../src/auth/passwords.ts";
import { type Figures, hasArgon2id } from "../src/auth/phc.ts";
import { hashToken, newToken } from "../src/auth/tokens.ts";

/** Cheap, for what is not about cost. */
const figures: Figures = { algorithm: "scrypt", ln: 4, r: 8, p: 1 };

Deno.test("passwords: as in production, a password is right, another is wrong, and the hash is salted", async () => {
  const passwords = new Passwords();
  const phc = await passwords.hash("correct horse");
  const usual = await hasArgon2id ? /^\$argon2id\$v=19\$m=47104,t=1,p=1\$[^$=]{22}\$[^$=]{43}$/ : /^\$scrypt\$ln=17,r=8,p=1\$[^$=]{22}\$[^$=]{43}$/;
  assertMatch(phc, usual);
  assertEquals(await passwords.verify(phc, "correct horse"), { ok: true, rehash: undefined });
  assertEquals(await passwords.verify(phc, "correct horsf"), { ok: false, rehash: undefined });
  assertNotEquals(await passwords.hash("correct horse"), phc);
});

Deno.test("passwords: Deno 2.9 has Argon2id, Deno 2.7 has not", async () => {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  if (major === 2 && minor >= 9) assert(await hasArgon2id);
  if (major === 2 && minor <= 7) assert(!await hasArgon2id);
});

// The reference implementation's own test (argon2, test.c).
const ARGON2ID = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
// RFC 7914, section 12.
const SCRYPT = "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA";

Deno.test("passwords: hashes of other programs are understood, and replaced by preferred ones", async () => {
  const passwords = new Passwords({ figures });
  for (const phc of await hasArgon2id ? [ARGON2ID, SCRYPT] : [SCRYPT]) {
    const { ok, rehash } = await passwords.verify(phc, "password");
    assert(ok, phc);
    assertMatch(rehash ?? "", /^\$scrypt\$ln=4,r=8,p=1\$/);
    assertEquals(await passwords.verify(rehash ?? "", "password"), { ok: true, rehash: undefined });
    assertEquals(await passwords.verify(phc, "Password"), { ok: false, rehash: undefined });
  }
});

Deno.test("passwords: a hash that cannot be checked is said to be one, and is not repeated", async () => {
  const passwords = new Passwords({ figures });
  const foreign = ["$2b$10$abcdefghijklmnopqrstuv", "secret", "", "$argon2i$v=19$m=65536,t=2,p=1$c29tc2FsdA$AAAA", "$scrypt$ln=4,r=8,p=1$!!!!$AAAA"];
  if (!await hasArgon2id) foreign.push(ARGON2ID);
  for (const phc of foreign) {
    const error = await assertRejects(() => passwords.verify(phc, "secret"), UnsupportedHash);
    assert(!error.message.includes("secret"));
  }
});

Deno.test("passwords: an unknown user costs as much as a wrong password", async () => {
  const passwords = new Passwords({ figures: { algorithm: "scrypt", ln: 15, r: 8, p: 1 } });
  const phc = await passwords.hash("right");
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const begun = performance.now();
    await work();
    return performance.now() - begun;
  };
  // The quickest of several in turn, and of more where the machine does much else: noise only ever adds.
  let wrong = Infinity, nobody = Infinity;
  const alike = () => nobody > wrong / 2 && nobody < wrong * 2;
  for (let i = 0; i < 7 || i < 30 && !alike(); i++) {
    wrong = Math.min(wrong, await timed(() => passwords.verify(phc, "wrong")));
    nobody = Math.min(nobody, await timed(() => passwords.verifyNothing("wrong")));
  }
  assert(alike(), `${nobody} ms against ${wrong} ms`);
});

Deno.test("passwords: no more waiting than allowed, and all places are free again afterwards", async () => {
  const passwords = new Passwords({ figures, parallel: 2, queue: 3 });
  for (let round = 0; round < 3; round++) {
    const accepted = [1, 2, 3, 4, 5].map(() => passwords.hash("a"));
    const busy = await assertRejects(() => passwords.hash("a"), Busy);
    assert(busy instanceof Busy && Number.isInteger(busy.retry) && busy.retry > 0);
    await Promise.all(accepted);
    // A failure gives its place back as well.
    for (let i = 0; i < 3; i++) await assertRejects(() => passwords.verify("", "a"), UnsupportedHash);
  }
});

Deno.test("passwords: first come, first served", async () => {
  const passwords = new Passwords({ figures, parallel: 1 });
  const done: number[] = [];
  await Promise.all([0, 1, 2, 3, 4].map((i) => passwords.hash("a").then(() => done.push(i))));
  assertEquals(done, [0, 1, 2, 3, 4]);
});

Deno.test("passwords: addresses take turns: whoever comes waits for one of those who filled the queue, not for all", async () => {
  const passwords = new Passwords({ figures, parallel: 1 });
  const done: string[] = [];
  const ask = (from: string, count: number) => Array.from({ length: count }, (_, i) => passwords.hash("a", { from }).then(() => done.push(from + i)));
  await Promise.all([...ask("many", 5), ...ask("one", 1), ...ask("two", 2)]);
  assertEquals(done, ["many0", "many1", "one0", "two0", "many2", "two1", "many3", "many4"]);
});

Deno.test("passwords: a full queue refuses those who fill it, and nobody else", async () => {
  const passwords = new Passwords({ figures, parallel: 1, queue: 6, perAddress: 5 });
  const outcomes: string[] = [];
  const ask = (from: string, count: number) =>
    Array.from({ length: count }, (_, i) =>
      passwords.hash("a", { from }).then(() => outcomes.push(`${from}${i} done`), (error) => {
        assert(error instanceof Busy && error.retry > 0);
        outcomes.push(`${from}${i} busy`);
      }));
  // One runs, five wait, and that is all that one address may have.
  const asked = ask("many", 7);
  await Promise.resolve();
  // The sixth place, then those of who has most, the last one first.
  asked.push(...ask("one", 1), ...ask("two", 2), ...ask("three", 1));
  await Promise.all(asked);
  assertEquals(outcomes.filter((o) => o.endsWith("busy")), ["many6 busy", "many5 busy", "many4 busy", "many3 busy"]);
  assertEquals(outcomes.filter((o) => o.endsWith("done")), ["many0", "many1", "one0", "two0", "three0", "many2", "two1"].map((o) => o + " done"));
  // Where all have the same, it is the one that comes.
  const equal = [...ask("a", 1), ...ask("b", 1), ...ask("c", 1), ...ask("d", 1), ...ask("e", 1), ...ask("f", 1), ...ask("g", 1), ...ask("h", 1)];
  await Promise.all(equal);
  assertEquals(outcomes.filter((o) => /^[a-h]0 busy/.test(o)), ["h0 busy"]);
});

Deno.test("passwords: who aborts leaves the queue, and the next takes the place", async () => {
  const passwords = new Passwords({ figures, parallel: 1, queue: 2 });
  const first = passwords.hash("a");
  const leaving = new AbortController();
  const second = passwords.hash("a", { signal: leaving.signal });
  const third = passwords.hash("a");
  await assertRejects(() => passwords.hash("a"), Busy);
  leaving.abort(new Error("gone"));
  assertEquals(await Promise.race([first.then(() => "first"), second.catch((error) => error.message)]), "gone", "without waiting for its turn");
  const fourth = passwords.hash("a");
  await Promise.all([first, third, fourth]);
  await assertRejects(() => passwords.hash("a", { signal: leaving.signal }), Error, "gone");

  const late = new AbortController();
  const running = passwords.hash("a", { signal: late.signal });
  late.abort(new Error("gone"));
  await assertRejects(() => running, Error, "gone");
  await passwords.hash("a");
});

Deno.test("passwords: any string is a password", async () => {
  const passwords = new Passwords({ figures });
  for (const password of ["张三的密码", "👩‍👩‍👧", "a\0b", " ", "x".repeat(256)]) {
    const phc = await passwords.hash(password);
    assertEquals((await passwords.verify(phc, password)).ok, true);
    assertEquals((await passwords.verify(phc, password + " ")).ok, false);
  }
});

Deno.test("tokens: 32 random bytes, and the SHA-256 of their text", () => {
  const token = newToken();
  assertMatch(token, /^[A-Za-z0-9_-]{43}$/);
  assertNotEquals(newToken(), token);
  assertEquals(hashToken(token)?.length, 32);
  assertEquals(hashToken(token), hashToken(token));
  // echo -n AAA…A (43) | sha256sum
  assertEquals(hashToken("A".repeat(43))?.toHex(), "0f007385b6f9d4b7eeb2748605afe1a984a0a3bfa3f014d09e2a784ce9e5cd1a");
});

Deno.test("tokens: what does not look like one has no hash", () => {
  for (const text of ["", "A".repeat(42), "A".repeat(44), "A".repeat(42) + "=", "A".repeat(42) + "+", "A".repeat(43) + "\n"]) {
    assertEquals(hashToken(text), undefined);
  }
});
