import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { isIPv6, SocketAddress } from 'node:net';
import type { SessionExchange } from '../index.js';
import { clientAddress } from '../common/client-address.js';
import { emailKey } from './account.email.js';
import { TooManyAttemptsError } from './account.errors.js';
import { AccountEvents } from './account.events.js';
import { ResolvedAccountOptions } from './options/resolve-account-options.js';
import { AttemptStore } from './store/attempt.store.js';

/** Who makes a request: the exchange, or the client's address where there is no exchange. */
export interface Caller {
  readonly exchange?: SessionExchange;
  readonly ip?: string;
}

/** Limits attempts per e-mail address, known or not, and per client address. */
@Injectable()
export class Attempts {
  constructor(
    private readonly store: AttemptStore,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
  ) {}

  /**
   * Counts an attempt before it is made, so that parallel attempts cannot exceed the limit.
   *
   * @throws TooManyAttemptsError
   */
  async consume(operation: 'logIn' | 'mail', email: string, caller: Caller): Promise<void> {
    const { perAccount, perAddress, within } = this.options.attempts[operation];
    const counters = [
      ['address', addressKey(caller), perAddress],
      ['account', accountKey(email), perAccount],
    ] as const;
    for (const [by, key, limit] of counters) {
      if (key === undefined) continue;
      const { isBlocked, timeToBlockExpire } = await this.store.increment(key, within, limit, within, operation);
      if (!isBlocked) continue;
      this.events.emit({ type: 'attempts.limited', operation, by });
      throw new TooManyAttemptsError(timeToBlockExpire);
    }
  }

  /** Takes the attempt back: only wrong passwords count. */
  async succeeded(email: string, caller: Caller): Promise<void> {
    await this.store.reset(accountKey(email), 'logIn');
    const address = addressKey(caller);
    if (address !== undefined) await this.store.release(address, 'logIn');
  }
}

function accountKey(email: string): string {
  return digest(`account:${emailKey(email)}`);
}

function addressKey({ exchange, ip }: Caller): string | undefined {
  const address = exchange ? clientAddress(exchange) : ip;
  return address === undefined ? undefined : digest(`address:${isIPv6(address) ? networkOf(address) : address}`);
}

/** The first 64 bits: what one subscriber has (RFC 6177), and can vary the rest of at will. */
function networkOf(address: string): string {
  const { address: canonical } = new SocketAddress({ address: address.replace(/%.*$/, ''), family: 'ipv6' });
  const [before = [], after] = canonical.split('::').map(half => half.split(':').filter(Boolean));
  const zeros = after ? Array<string>(8 - before.length - after.length).fill('0') : [];
  return [...before, ...zeros, ...(after ?? [])].slice(0, 4).join(':');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
