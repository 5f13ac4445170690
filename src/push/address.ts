/**
 * Where the server may connect to because a user says so: addresses of the public Internet, and no others. So nobody reaches by it what only this machine or its
 * network can reach.
 *
 * 1. What is checked is the address that is then connected to, not the name: a name that leads elsewhere the next time changes nothing.
 * 2. What is not known to be public is not (IANA's registries of special-purpose addresses): of IPv6 that is all but 2000::/3.
 */
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { usualIp } from "../ip.ts";

const special = new BlockList();
for (
  const net of [
    ...[
      "0.0.0.0/8",
      "10.0.0.0/8",
      "100.64.0.0/10",
      "127.0.0.0/8",
      "169.254.0.0/16",
      "172.16.0.0/12",
      "192.0.0.0/24",
      "192.0.2.0/24",
      "192.88.99.0/24",
    ],
    ...["192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"],
    // Tunnels, benchmarks and documentation; in 2002::/16 another's IPv4 address is hidden.
    ...["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"],
  ]
) {
  const [address, prefix] = net.split("/") as [string, string];
  special.addSubnet(address, Number(prefix), address.includes(":") ? "ipv6" : "ipv4");
}
const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");

/** Whether this IP address is one of the public Internet. */
export function isPublic(ip: string): boolean {
  const usual = usualIp(ip);
  if (usual === undefined) return false;
  const kind = usual.includes(":") ? "ipv6" : "ipv4";
  return !special.check(usual, kind) && (kind === "ipv4" || global6.check(usual, "ipv6"));
}

/** Why a URL is no endpoint, as far as that can be seen without asking anybody; undefined: it may be one. `any`: private addresses are as good. */
export function faultOfEndpoint(text: string, any: boolean): string | undefined {
  const url = URL.parse(text);
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") return "must be an https URL";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!any && (isIP(host) ? !isPublic(host) : !host.includes(".") || /\.(localhost|local|internal)\.?$/.test(host))) {
    return "must lead to a public address";
  }
}

/** An address of that host, an IP address or a name, to connect to. Rejects if it has none, or one that is not public: a name with such an address is nobody's push service. */
export async function addressOf(host: string, any: boolean): Promise<string> {
  const ips = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);
  const bad = any ? undefined : ips.find((ip) => !isPublic(ip));
  if (bad !== undefined) throw new Error(`${host} leads to ${bad}, which is not public`);
  // Few networks have IPv6 alone, and many none.
  const ip = ips.find((ip) => isIP(ip) === 4) ?? ips[0];
  if (ip === undefined) throw new Error(`${host} leads nowhere`);
  return ip;
}
