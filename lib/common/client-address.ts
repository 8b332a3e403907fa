import { isIP } from 'node:net';
import type { SessionExchange } from '../http/exchange.js';

const MAX_USER_AGENT_LENGTH = 512;

/** What is known of a client. */
export interface ClientInfo {
  readonly ip?: string;
  readonly userAgent?: string;
}

/**
 * The client's address. Forwarded headers count only as far as the platform's trusted-proxy setting believes them
 * (`app.set('trust proxy', …)`, `new FastifyAdapter({ trustProxy })`): they are never read here.
 */
export function clientAddress({ request }: SessionExchange): string | undefined {
  const given = request.ip ?? request.address ?? request.socket?.remoteAddress;
  // Some proxies write the port as well.
  const address = given
    ?.replace(/^\[(.+)\](:\d+)?$/, '$1')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/i, '');
  return address !== undefined && isIP(address) !== 0 ? address : undefined;
}

export function clientUserAgent(exchange: SessionExchange): string | undefined {
  return exchange.header('user-agent')?.replaceAll('\0', '').slice(0, MAX_USER_AGENT_LENGTH);
}

/** Address and `User-Agent` of the client that has sent a request. */
export function clientOf(exchange: SessionExchange): ClientInfo {
  return { ip: clientAddress(exchange), userAgent: clientUserAgent(exchange) };
}
