/** IP addresses as texts, each in one spelling: what is counted, compared or believed by address is so once, however it was written. */

/**
 * The usual spelling: IPv6 short and in small letters, IPv4 in IPv6 (as a listener on `[::]` sees it) as IPv4, without a zone.
 *
 * @returns undefined if it is no IP address
 */
export function usualIp(text: string): string | undefined {
  if (!text.includes(":")) return isFour(text) ? text : undefined;
  const six = text.replace(/%[^%]*$/, "");
  // URLs know the spelling; to load node:net for it takes as long as all the rest of the settings.
  const usual = /^[\da-fA-F:.]+$/.test(six) ? URL.parse(`http://[${six}]`)?.hostname.slice(1, -1) : undefined;
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(usual ?? "") ?? [];
  if (high === undefined || low === undefined) return usual;
  return [high, low].map((group) => parseInt(group, 16)).map((n) => `${n >> 8}.${n & 255}`).join(".");
}

/** What limits per address count by: an IPv4 address, or the /64 of an IPv6 address, which is the least that one customer has. The address is in its usual spelling. */
export function networkOf(ip: string): string {
  if (!ip.includes(":")) return ip;
  const [before = [], after = []] = ip.split("::").map((part) => part === "" ? [] : part.split(":"));
  const zeros = Array(8 - before.length - after.length).fill("0");
  return [...before, ...zeros, ...after].slice(0, 4).join(":") + "::/64";
}

/** 127.0.0.0/8 and ::1, in the usual spelling. */
export function isLoopback(ip: string): boolean {
  return ip === "::1" || (ip.startsWith("127.") && isFour(ip));
}

/** Four numbers up to 255; other spellings, such as 127.1 or 010.0.0.1, mean different things to different programs, and are none. */
function isFour(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && String(Number(part)) === part && Number(part) <= 255);
}
