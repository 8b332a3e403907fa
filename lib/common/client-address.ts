import { isIP, SocketAddress } from 'node:net';

const MAX_USER_AGENT_LENGTH = 512;
const MAPPED = '::ffff:';

/** What tells who sent a request. `SessionExchange` has it. */
export interface RequestSource {
  readonly request: {
    readonly ip?: string;
    readonly address?: string;
    readonly socket?: { readonly remoteAddress?: string };
  };
  header(name: string): string | undefined;
}

/** What is known of a client. */
export interface ClientInfo {
  readonly ip?: string;
  readonly userAgent?: string;
}

/**
 * The client's address. Forwarded headers count only as far as the platform's trusted-proxy setting believes them
 * (`app.set('trust proxy', …)`, `new FastifyAdapter({ trustProxy })`): they are never read here.
 */
export function clientAddress({ request }: RequestSource): string | undefined {
  const given = request.ip ?? request.address ?? request.socket?.remoteAddress;
  if (given !== undefined && isIP(given) !== 0) return canonicalAddress(given);
  // Some proxies write the port as well.
  const address = given?.replace(/^\[(.+)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  return address === undefined || isIP(address) === 0 ? undefined : canonicalAddress(address);
}

/**
 * An address in its one spelling (RFC 5952), IPv4 in place of IPv4 mapped into IPv6, so that bindings compare addresses
 * and not spellings. Other text is returned as it is.
 */
export function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  // Every IPv4 client of a server that listens on both has such an address: parsing it takes 2 µs.
  if (address.startsWith(MAPPED) && isIP(address.slice(MAPPED.length)) === 4) return address.slice(MAPPED.length);
  const [host, zone] = address.split('%') as [string, string | undefined];
  const canonical = new SocketAddress({ address: host, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '');
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}

/**
 * What is stored of an address: a network has the first 24 bits of an IPv4 address, and the first 48 of an IPv6 one.
 */
export function storedAddress(address: string | undefined, kept: 'full' | 'network' | 'none'): string | undefined {
  if (kept === 'full') return address;
  if (kept === 'none' || address === undefined) return undefined;
  if (isIP(address) === 4) return address.replace(/\d+$/, '0/24');
  // The application may have given text that is no address: it has no network.
  return isIP(address) === 6 ? `${canonicalAddress(`${firstGroups(address, 3)}::`)}/48` : undefined;
}

/** The first 16-bit groups of an IPv6 address. */
export function firstGroups(address: string, count: number): string {
  const { address: canonical } = new SocketAddress({ address: address.replace(/%.*$/, ''), family: 'ipv6' });
  const [before = [], after] = canonical.split('::').map(half => half.split(':').filter(Boolean));
  const zeros = after ? Array<string>(8 - before.length - after.length).fill('0') : [];
  return [...before, ...zeros, ...(after ?? [])].slice(0, count).join(':');
}

/** Address and `User-Agent` of the client that has sent a request. */
export function clientOf(source: RequestSource): ClientInfo {
  const userAgent = source.header('user-agent')?.replaceAll('\0', '').slice(0, MAX_USER_AGENT_LENGTH);
  return { ip: clientAddress(source), userAgent };
}

/** A client as the caller of the service describes it. Its address is spelled like that of a request. */
export function clientFrom({ ip, userAgent }: ClientInfo): ClientInfo {
  return { ip: ip === undefined ? undefined : canonicalAddress(ip), userAgent };
}
