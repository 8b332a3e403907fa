import type { HttpAdapterHost } from '@nestjs/core';
import type { SessionExchange } from './exchange.js';

/**
 * Writes response headers through Nest's HTTP adapter, in the same way on every platform. Does nothing where there is
 * no response, or where its headers are sent.
 */
export class ResponseHeaders {
  constructor(private readonly host: HttpAdapterHost) {}

  set(exchange: SessionExchange, name: string, value: string): void {
    if (this.canWrite(exchange)) this.host.httpAdapter.setHeader!(exchange.response, name, value);
  }

  append(exchange: SessionExchange, name: string, value: string): void {
    if (this.canWrite(exchange)) this.host.httpAdapter.appendHeader!(exchange.response, name, value);
  }

  /** Removes the `Set-Cookie` headers of that cookie, so that a response sets each cookie once. */
  removeCookie(exchange: SessionExchange, name: string): void {
    if (!this.canWrite(exchange)) return;
    const current = [this.get(exchange, 'Set-Cookie')].flat().filter(value => typeof value === 'string');
    const kept = current.filter(cookie => !cookie.startsWith(`${name}=`));
    if (kept.length < current.length) this.replaceCookies(exchange, kept);
  }

  /** Adds names to `Vary`, which are separated by `, `. */
  vary(exchange: SessionExchange, names: string): void {
    if (!this.canWrite(exchange)) return;
    const present = String(this.get(exchange, 'Vary') ?? '');
    // A second guard of the route finds what the first one has written.
    if (present === names) return;
    if (present === '') return this.set(exchange, 'Vary', names);
    const known = new Set(present.toLowerCase().split(/,\s*/));
    const missing = names.split(', ').filter(name => !known.has(name.toLowerCase()));
    if (missing.length > 0) this.set(exchange, 'Vary', [present, ...missing].join(', '));
  }

  private get(exchange: SessionExchange, name: string): unknown {
    return this.host.httpAdapter.getHeader!(exchange.response, name);
  }

  private replaceCookies(exchange: SessionExchange, cookies: string[]): void {
    const { response } = exchange;
    // Fastify's `header('Set-Cookie', …)` appends, so the present values are removed first.
    (response as { removeHeader(name: string): void }).removeHeader('Set-Cookie');
    for (const cookie of cookies) this.append(exchange, 'Set-Cookie', cookie);
  }

  private canWrite({ response }: SessionExchange): boolean {
    const adapter = this.host?.httpAdapter;
    return response !== undefined && adapter !== undefined && !adapter.isHeadersSent(response);
  }
}
