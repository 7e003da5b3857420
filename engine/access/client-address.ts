import { isIP } from 'node:net';
import { type AddressList, createAddressList, normalizeAddress } from './address-list.js';

/** What proxies say about the client. Header values, '' when absent. */
export interface ForwardedHeaders {
  readonly forwardedFor: string;
  readonly realIp: string;
  readonly forwarded: string;
}

/** Finds a client's address, normalized, from the peer's and what proxies say. */
export type ClientAddressReader = (peer: string, headers: ForwardedHeaders) => string;

/** Hops that are looked at; no real chain of proxies is longer. */
const HOPS_MAX = 32;

/**
 * Proxies are believed only when the peer is one of them, and then from the last entry backwards: every trusted proxy appends whom it
 * heard from, so the last address that is not a trusted proxy's is the client. What stands before it the client may have made up.
 *
 * @param proxies `undefined`: nobody is believed
 */
export function createClientAddressReader(proxies: readonly string[] | undefined): ClientAddressReader {
  if (proxies === undefined) return (peer) => normalizeAddress(peer);
  const trusted = createAddressList(proxies);
  return (peer, headers) => {
    const address = normalizeAddress(peer);
    return trusted.has(address) ? (clientOf(headers, trusted) ?? address) : address;
  };
}

function clientOf(
  { forwardedFor, realIp, forwarded }: ForwardedHeaders,
  trusted: AddressList,
): string | undefined {
  if (forwardedFor !== '') return lastStranger(forwardedFor.split(','), trusted);
  if (realIp !== '') return readAddress(realIp);
  if (forwarded === '') return undefined;
  const hops = forwarded.split(',').map((hop) => /(?:^|;)\s*for=("[^"]*"|[^;,\s]+)/i.exec(hop)?.[1] ?? '');
  return lastStranger(
    hops.map((hop) => hop.replace(/^"|"$/g, '')),
    trusted,
  );
}

/** The last address that is not a proxy's, else the first of all; an entry that is no address ends the search. */
function lastStranger(hops: readonly string[], trusted: AddressList): string | undefined {
  let nearest: string | undefined;
  for (const hop of hops.slice(-HOPS_MAX).reverse()) {
    const address = readAddress(hop);
    if (address === undefined) return nearest;
    nearest = address;
    if (!trusted.has(address)) return address;
  }
  return nearest;
}

/** `1.2.3.4`, `1.2.3.4:567`, `2001:db8::1`, `[2001:db8::1]:567`. */
function readAddress(text: string): string | undefined {
  const bare = text.trim().replace(/^\[([^\]]*)\](?::\d+)?$/, '$1');
  const address = normalizeAddress(/^[\d.]+:\d+$/.test(bare) ? bare.slice(0, bare.indexOf(':')) : bare);
  return isIP(address) === 0 ? undefined : address;
}
