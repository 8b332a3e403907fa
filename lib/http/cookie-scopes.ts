import { isIP } from 'node:net';
import type { SessionExchange } from './exchange.js';

const MAX_SEGMENTS = 6;
const LOOPBACK = /^((.*\.)?localhost|127\.[\d.]+|\[::1\])$/;

/**
 * `/a/b/c` and the paths above it, whose cookies go along. Browsers keep no more than a few, and headers have an end.
 */
export function leadingPaths(path: string): string[] {
  const segments = path.split('/').filter(Boolean).slice(0, MAX_SEGMENTS);
  return ['/', ...segments.map((_, index) => `/${segments.slice(0, index + 1).join('/')}`)];
}

/** None, the host and the domains above it, without the last label. */
export function possibleDomains(exchange: SessionExchange): (string | undefined)[] {
  const name = (exchange.header('host') ?? '').replace(/:\d+$/, '').toLowerCase();
  if (isIP(name.replace(/[[\]]/g, '')) !== 0) return [undefined];
  const labels = name.split('.').slice(-MAX_SEGMENTS);
  return [undefined, ...labels.slice(0, -1).map((_, index) => labels.slice(index).join('.'))];
}

/** Whether a page of this very host, which is not this machine, sent the request over http. Only browsers say so. */
export function isOverHttp(exchange: SessionExchange): boolean {
  const origin = exchange.header('origin');
  if (!origin?.startsWith('http://') || exchange.request.protocol === 'https' || !URL.canParse(origin)) return false;
  const { host, hostname } = new URL(origin);
  return host === exchange.header('host')?.toLowerCase() && !LOOPBACK.test(hostname);
}
