import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { SessionExchange } from '../index.js';
import { canonicalAddress, clientAddress, firstGroups } from '../common/client-address.js';
import { emailKey } from './account.email.js';
import { RecoveryRequiredError, TooManyAttemptsError } from './account.errors.js';
import { AccountEvents } from './account.events.js';
import { ResolvedAccountOptions } from './options/resolve-account-options.js';
import { AttemptStore } from './store/attempt.store.js';

// NIST SP 800-63B-4, section 3.2.2.
const MAX_FAILURES_IN_A_ROW = 100;

/** Who makes a request: the exchange, or the client's address where there is no exchange. */
export interface Caller {
  readonly exchange?: SessionExchange;
  readonly ip?: string;
}

type Operation = 'logIn' | 'mail';
type LimitedBy = 'account' | 'address' | 'device' | 'session' | 'link';

/**
 * What attempts are counted for. Devices that have logged in before, and open sessions, are counted apart, so that
 * wrong passwords of others do not keep the owner of an account out (OWASP, device cookies). So are recoveries of an
 * address and notices of logins: other mails to it must use up neither. A link is counted by its token, so that the reader of a
 * mail neither guesses the password that the link asks for nor keeps the owner of the account out.
 */
export type AttemptSubject =
  | { readonly email: string }
  | { readonly recovery: string }
  | { readonly notice: string }
  | { readonly device: string }
  | { readonly session: string }
  | { readonly link: string };

/**
 * Limits attempts per subject and per client address.
 *
 * | operation | within `within`             | in a row, without a time limit            |
 * | --------- | --------------------------- | ----------------------------------------- |
 * | `logIn`   | `perAccount`, `perAddress`  | 100 per subject, then `recovery_required` |
 * | `mail`    | `perAccount`, `perAddress`  | –                                         |
 */
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
   * @throws TooManyAttemptsError, RecoveryRequiredError
   */
  async consume(operation: Operation, subject: AttemptSubject, caller: Caller): Promise<void> {
    await this.consumeAddress(operation, caller);
    await this.consumeSubject(operation, subject);
  }

  /** Counts the client's address alone, before work that costs time. `consumeSubject` follows. */
  async consumeAddress(operation: Operation, caller: Caller): Promise<void> {
    const key = addressKey(caller);
    if (key !== undefined) await this.increment(operation, 'address', key, this.options.attempts[operation].perAddress);
  }

  async consumeSubject(operation: Operation, subject: AttemptSubject): Promise<void> {
    const [by, key] = keyOf(subject);
    await this.increment(operation, by, key, this.options.attempts[operation].perAccount);
    if (operation === 'logIn' && (await this.store.incrementInARow(key)) > MAX_FAILURES_IN_A_ROW) {
      this.events.emit({ type: 'attempts.limited', operation, by });
      throw new RecoveryRequiredError();
    }
  }

  /** Takes the attempt back and ends the row: only wrong passwords count. */
  async succeeded(subject: AttemptSubject, caller: Caller): Promise<void> {
    const [, key] = keyOf(subject);
    await this.store.reset(key, 'logIn');
    await this.store.endRow(key);
    const address = addressKey(caller);
    if (address !== undefined) await this.store.release(address, 'logIn');
  }

  private async increment(operation: Operation, by: LimitedBy, key: string, limit: number): Promise<void> {
    const { within } = this.options.attempts[operation];
    const { isBlocked, timeToBlockExpire } = await this.store.increment(key, within, limit, within, operation);
    if (!isBlocked) return;
    this.events.emit({ type: 'attempts.limited', operation, by });
    throw new TooManyAttemptsError(timeToBlockExpire);
  }
}

function keyOf(subject: AttemptSubject): [by: LimitedBy, key: string] {
  if ('email' in subject) return ['account', digest(`account:${emailKey(subject.email)}`)];
  if ('recovery' in subject) return ['account', digest(`recovery:${emailKey(subject.recovery)}`)];
  if ('notice' in subject) return ['account', digest(`notice:${emailKey(subject.notice)}`)];
  if ('device' in subject) return ['device', digest(`device:${subject.device}`)];
  if ('link' in subject) return ['link', digest(`link:${subject.link}`)];
  return ['session', digest(`session:${subject.session}`)];
}

function addressKey({ exchange, ip }: Caller): string | undefined {
  const address = exchange ? clientAddress(exchange) : ip && canonicalAddress(ip);
  // The first 64 bits: a subscriber has at least this network (RFC 6177), and can choose the rest freely.
  return address === undefined ? undefined : digest(`address:${isIPv6(address) ? firstGroups(address, 4) : address}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
