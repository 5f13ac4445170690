// Parts of Web Push by themselves: RFC 8291's own example, and which addresses are public.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { within } from "../src/async/within.ts";
import { Counters } from "../src/ops/counters.ts";
import { addressOf, isPublic } from "../src/push/address.ts";
import { encrypted, fromBase64, MOST_PUSHED, toBase64 } from "../src/push/encryption.ts";
import { Notifier } from "../src/push/notifier.ts";
import { post } from "../src/push/post.ts";
import { newPushKey } from "../src/push/vapid.ts";
import type { PushTarget } from "../src/store/push.ts";
import type { Store } from "../src/store/store.ts";
import { decrypted } from "./support/push_service.ts";

const P256 = { name: "ECDH", namedCurve: "P-256" } as const;

/** A pair of keys from its public point and its private number, in base64url. */
async function pairOf(point: string, d: string): Promise<CryptoKeyPair> {
  const bytes = fromBase64(point);
  const jwk = { kty: "EC", crv: "P-256", x: toBase64(bytes.slice(1, 33)), y: toBase64(bytes.slice(33)), d };
  const privateKey = await crypto.subtle.importKey("jwk", jwk, P256, true, ["deriveBits"]);
  return { privateKey, publicKey: await crypto.subtle.importKey("raw", bytes, P256, true, []) };
}

Deno.test("push: the example of RFC 8291, section 5, to the byte", async () => {
  const p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
  const server = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
  const keys = { p256dh, auth: "BTBZMqHH6r4Tts7J_aSIgg" };
  const body = await encrypted("When I grow up, I want to be a watermelon", keys, {
    salt: fromBase64("DGv6ra1nlYgDCS1FRnbzlw"),
    keys: await pairOf(server, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    exact: true,
  });
  assertEquals(
    toBase64(body),
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
  );
});

Deno.test("push: a text of any length is read as it was written, and a body is never longer than a push service must take", async () => {
  const pair = await crypto.subtle.generateKey(P256, true, ["deriveBits"]);
  const keys = { p256dh: toBase64(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey))), auth: "BTBZMqHH6r4Tts7J_aSIgg" };
  for (const length of [0, 1, 255, 256, 257, MOST_PUSHED - 1, MOST_PUSHED]) {
    const body = await encrypted("x".repeat(length), keys);
    assertEquals(await decrypted(body, { pair, keys }), "x".repeat(length));
    assertEquals(body.length, Math.min(4096, 103 + Math.ceil(length / 256) * 256));
  }
});

Deno.test("push: only addresses of the public Internet are connected to, however they are written", async () => {
  for (const ip of ["8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "2606:4700::1111", "::ffff:8.8.8.8"]) assertEquals(isPublic(ip), true, ip);
  const inner = ["127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "198.18.0.1"];
  const others = [
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
  ];
  for (const ip of [...inner, ...others, "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "2001::1", "localhost", ""]) {
    assertEquals(isPublic(ip), false, ip);
  }
  await assertRejects(() => addressOf("localhost", false), Error, "which is not public");
  await assertRejects(() => addressOf("127.0.0.1", false), Error, "which is not public");
  assertEquals(await addressOf("localhost", true), "127.0.0.1");
});

/** A push service that takes connections, and says nothing. */
function silentService() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken: Deno.Conn[] = [];
  const taking = (async () => {
    for await (const conn of listener) taken.push(conn);
  })();
  return {
    port: listener.addr.port,
    taken,
    async [Symbol.asyncDispose]() {
      listener.close();
      await taking;
      for (const conn of taken) conn.close();
    },
  };
}

Deno.test("push: a request that is ended while its connection is handed over to TLS ends", async () => {
  await using service = silentService();
  const stop = new AbortController();
  const { startTls } = Deno;
  Deno.startTls = async (conn, options) => {
    if ((conn.remoteAddr as Deno.NetAddr).port !== service.port) return await startTls(conn, options);
    const secured = startTls(conn, options);
    stop.abort();
    return await secured;
  };
  try {
    const posted = post(`https://127.0.0.1:${service.port}/x`, {}, new Uint8Array(1), { any: true, timeout: 30_000, stop: stop.signal });
    let ended = false;
    await within(posted.catch(() => ended = true), 20_000);
    assert(ended, "nothing is heard of it any more");
  } finally {
    Deno.startTls = startTls;
  }
});

Deno.test("push: what the database answers when pushing has ended is pushed to nobody", async () => {
  await using service = silentService();
  const pair = await crypto.subtle.generateKey(P256, true, ["deriveBits"]);
  const subscription = {
    endpoint: `https://127.0.0.1:${service.port}/x`,
    p256dh: toBase64(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey))),
    auth: "BTBZMqHH6r4Tts7J_aSIgg",
    text: true,
  };
  const key = await newPushKey();
  const asked = Promise.withResolvers<void>(), answer = Promise.withResolvers<PushTarget[]>();
  const store = {
    pushKey: () => Promise.resolve(key),
    pushed: () => Promise.resolve([]),
    pushTargets: () => (asked.resolve(), answer.promise),
  } as unknown as Store;
  const options = { any: true, timeout: 1000 };
  const counters = new Counters();
  const notifier = new Notifier({ store, counters, contact: undefined, goneAfter: 1000, interval: 1000, options });
  await notifier.publicKey();
  notifier.start();
  notifier.subscribed(2);
  notifier.stored({ messageid: 1, sender: 1, receivers: [{ userId: 2, seq: 1, nodes: [] }] });
  await asked.promise;
  notifier.stop();
  // It waits for the database no longer than 2 s.
  await notifier.close();
  answer.resolve([{ userId: 2, device: 1, ...subscription, online: false, messageid: 1, seq: 1, ts: 1, sender: 1, name: "x", msg: "x" }]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assertEquals([service.taken.length, notifier.waiting], [0, 0]);
});
