import { lookup } from "node:dns";
import { BlockList, type LookupFunction } from "node:net";

/** This machine, its neighbours, and nobody (IANA's registries of special-purpose addresses). */
const networks = {
  ipv4: [
    ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
    ...["192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"],
  ],
  // Of IPv6 only what is given to the public, without what leads back to IPv4.
  ipv6: ["::/3", "2002::/16", "4000::/2", "8000::/1"],
} as const;

/** One for each family: a list takes addresses of IPv4 for those of IPv6 that stand for them. */
const internal = { ipv4: createList("ipv4"), ipv6: createList("ipv6") };

/**
 * Looks a host's addresses up, and leaves those out that only machines of this network can mean: a public name may lead
 * anywhere, and another way each time it is asked for.
 */
export const lookupPublic: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    const found = error ? [] : addresses.filter(({ address, family }) => isPublicAddress(address, family));
    const [first] = found;
    if (!first) callback(error ?? new Error(`${host} lies in an internal network`), "");
    else if (options.all) callback(null, found);
    else callback(null, first.address, first.family);
  });
};

/** @param family 4 or 6 */
export function isPublicAddress(address: string, family: number): boolean {
  const kind = family === 6 ? "ipv6" : "ipv4";
  return !internal[kind].check(address, kind);
}

function createList(kind: keyof typeof networks): BlockList {
  const list = new BlockList();
  for (const network of networks[kind]) {
    const [address = "", bits] = network.split("/");
    list.addSubnet(address, Number(bits), kind);
  }
  return list;
}
