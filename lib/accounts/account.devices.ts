import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { cookieValues, serializeCookie } from '../common/cookies.js';
import type { SessionExchange } from '../index.js';
import { hashOfSecret, isSecret, newSecret } from './account.secrets.js';
import type { Account, AccountTransaction } from './account.types.js';
import { ResolvedAccountOptions } from './options/resolve-account-options.js';
import { TokenStore } from './store/token.store.js';

const DEVICE_TTL_MS = 180 * 86_400_000;

/**
 * Recognises browsers in which an account was logged in to before, by a cookie that no other site can set or read
 * (OWASP, device cookies). It proves nothing else: a login there still needs the password.
 */
@Injectable()
export class AccountDevices {
  constructor(
    private readonly tokens: TokenStore,
    private readonly options: ResolvedAccountOptions,
    private readonly host: HttpAdapterHost,
  ) {}

  /** An id of the device for counting attempts; undefined where the account was not logged in to before. */
  async recognise(exchange: SessionExchange | undefined, emailKey: string): Promise<string | undefined> {
    const hash = this.hashOn(exchange);
    const device = hash && (await this.tokens.find(hash, 'device'));
    return device?.email === emailKey ? hash!.toString('base64url') : undefined;
  }

  /** Forgets the devices of an account, except the one that makes the given request. */
  async forget(accountId: string, except: SessionExchange | undefined, transaction: AccountTransaction): Promise<void> {
    await this.tokens.removeUnused(accountId, ['device'], transaction, this.hashOn(except));
  }

  /** Sets the cookie, for 180 days. */
  async remember(exchange: SessionExchange, { id, emailKey }: Account): Promise<void> {
    const { httpAdapter } = this.host;
    if (!exchange.response || !httpAdapter) return;
    const token = newSecret();
    await this.tokens.add({
      hash: hashOfSecret(token),
      purpose: 'device',
      accountId: id,
      email: emailKey,
      sessionId: null,
      lifetime: DEVICE_TTL_MS,
    });
    const attributes = { path: '/', secure: this.isSecure, sameSite: 'strict' } as const;
    const cookie = serializeCookie(this.cookieName, token, DEVICE_TTL_MS / 1000, attributes);
    httpAdapter.appendHeader!(exchange.response, 'Set-Cookie', cookie);
  }

  private hashOn(exchange: SessionExchange | undefined): Buffer | undefined {
    const [token = ''] = cookieValues(exchange?.header('cookie'), this.cookieName);
    return isSecret(token) ? hashOfSecret(token) : undefined;
  }

  private get cookieName(): string {
    return this.isSecure ? '__Host-account_device' : 'account_device';
  }

  /** Over plain http browsers keep no Secure cookie. */
  private get isSecure(): boolean {
    return this.options.baseUrl.startsWith('https:');
  }
}
