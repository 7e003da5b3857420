import { BlockList, isIP } from 'node:net';

/** A set of IP addresses. */
export interface AddressList {
  has(address: string): boolean;
}

/** @param entries IP addresses and CIDR ranges, as `parseAddressRange` reads them */
export function createAddressList(entries: readonly string[]): AddressList {
  const list = new BlockList();
  for (const entry of entries) {
    const range = parseAddressRange(entry);
    if (range === undefined) throw new Error(`${entry} is not an IP address or CIDR range`);
    list.addSubnet(range.address, range.prefix, range.family);
  }
  return {
    has(text) {
      const address = normalizeAddress(text);
      const family = isIP(address);
      return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
    },
  };
}

/** Reads `10.0.0.0/8`, `::1` and the like; `undefined` for anything else. */
export function parseAddressRange(
  text: string,
): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [given = '', bits, ...rest] = text.split('/');
  const address = normalizeAddress(given);
  const family = isIP(address);
  const bitsMax = family === 4 ? 32 : 128;
  if (family === 0 || rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return undefined;
  if (bits !== undefined && address !== given && family === 4) return undefined; // a range of mapped addresses
  const prefix = bits === undefined ? bitsMax : Number(bits);
  return prefix <= bitsMax ? { address, prefix, family: family === 4 ? 'ipv4' : 'ipv6' } : undefined;
}

const MAPPED = /^(?:0{0,4}:){2,5}ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/;

/** An address as this service writes it: IPv4 that is mapped into IPv6 (RFC 4291 section 2.5.5.2) as IPv4, without zone. */
export function normalizeAddress(text: string): string {
  const address = text.trim().toLowerCase().replace(/%.*$/, '');
  const mapped = isIP(address) === 6 ? MAPPED.exec(address) : null;
  if (mapped === null) return address;
  if (mapped[1] !== undefined) return mapped[1];
  const high = Number.parseInt(mapped[2]!, 16);
  const low = Number.parseInt(mapped[3]!, 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
