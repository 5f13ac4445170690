// IP addresses: one spelling for each, what limits count by, and what is this machine.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isLoopback, networkOf, usualIp } from "../src/ip.ts";

Deno.test("ip: the usual spelling, or none", () => {
  const usual: Record<string, string | undefined> = {
    "203.0.113.7": "203.0.113.7",
    "2001:DB8:0:0::7": "2001:db8::7",
    "0:0:0:0:0:0:0:1": "::1",
    "::ffff:203.0.113.7": "203.0.113.7",
    "::FFFF:CB00:7107": "203.0.113.7",
    "0:0:0:0:0:ffff:127.0.0.1": "127.0.0.1",
    "fe80::1%eth0": "fe80::1",
  };
  const none = [
    "",
    "999.999.999.999",
    "256.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.4.",
    "01.2.3.4",
    "0x7f.0.0.1",
    "127.1",
    "1.2.3.4:80",
    "127.evil.example",
    "[::1]",
  ];
  for (const [text, expected] of Object.entries(usual)) assertEquals(usualIp(text), expected, text);
  none.push(":", ":::", "1::2::3", "12345::", "1:2:3:4:5:6:7", "::1/64", "::1]@[::2", "unknown");
  for (const text of none) assertEquals(usualIp(text), undefined, text);
  fc.assert(fc.property(fc.ipV4(), (ip) => {
    assertEquals(usualIp(ip), ip);
    assertEquals(usualIp(`::ffff:${ip}`), ip);
  }));
  fc.assert(fc.property(fc.ipV6(), (ip) => assertEquals(usualIp(usualIp(ip)!), usualIp(ip))));
});

Deno.test("ip: limits count an IPv6 address by its /64", () => {
  const one = ["2001:db8:0:1::", "2001:db8:0:1::7", "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1:0:0:1:1"];
  assertEquals(new Set(one.map((ip) => networkOf(usualIp(ip)!))), new Set(["2001:db8:0:1::/64"]));
  const others = ["2001:db8:0:2::7", "2001:db8:1:1::7", "2001:db8::7", "::7", "1:2:3:4:5:6:7:8", "203.0.113.7", "203.0.113.8"];
  assertEquals(new Set([...one.slice(0, 1), ...others].map((ip) => networkOf(usualIp(ip)!))).size, 8);
  // Of the first four groups nothing is lost, of the others nothing is left.
  const group = fc.integer({ min: 0, max: 0xffff }).map((n) => n.toString(16));
  fc.assert(fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
    const ip = usualIp(groups.join(":"))!;
    if (ip.includes(":")) assertEquals(networkOf(ip), `${groups.slice(0, 4).join(":")}::/64`);
  }));
});

Deno.test("ip: loopback", () => {
  assertEquals(["127.0.0.1", "127.9.9.9", "::1"].map(isLoopback), [true, true, true]);
  assertEquals(["128.0.0.1", "::2", "", "127.evil.example", "127.", "::127.0.0.1"].map(isLoopback), Array(6).fill(false));
});
