import { Injectable, Logger } from '@nestjs/common';
import { uuidV7 } from '../../common/uuid.js';
import { SessionClock, SessionTimers } from '../../common/clock.js';
import { AccountEvents } from '../account.events.js';
import type { AccountTransaction, MailRequest } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { MailStore, type QueuedMail } from '../store/mail.store.js';
import { MailComposer } from './composer.js';
import { Mailer } from './mailer.js';
import { SessionStoreUnavailableError } from '../../index.js';

// How long a process holds a mail exclusively.
const LEASE_MS = 120_000;
// Shorter than the lease, so that a mail server that does not answer holds up no other mail.
const SEND_TIMEOUT_MS = 100_000;
const DATABASE_TIMEOUT_MS = 5_000;
const SHUTDOWN_TIMEOUT_MS = 10_000;
const FIRST_RETRY_DELAY_MS = 10_000;
const MAX_RETRY_DELAY_MS = 21_600_000;
const MAX_CONCURRENT_MAILS = 4;
// The answer has left before work begins that only known addresses cause.
const WAKE_DELAY_MS = 50;

/**
 * Sends mails after the answer. A request is stored with its subject, and any process sends it. Failed mails are
 * retried at growing intervals until they are given up and reported.
 */
@Injectable()
export class Outbox {
  private readonly logger = new Logger('AccountMail');
  private running?: Promise<void>;
  private again = false;
  private stopped = false;
  private waking?: NodeJS.Timeout;

  constructor(
    private readonly store: MailStore,
    private readonly composer: MailComposer,
    private readonly mailer: Mailer,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
  ) {}

  /** Queues a mail, in the caller's transaction where there is one, and sends it soon after the commit. */
  async send(mail: MailRequest, transaction: AccountTransaction = {}): Promise<void> {
    await this.store.add(uuidV7(this.clock.now()), mail, transaction, () => this.wake());
  }

  /** Sends queued mails soon. Never throws and never blocks. */
  wake(): void {
    this.waking ??= this.timers.after(WAKE_DELAY_MS, () => {
      this.waking = undefined;
      this.drain().catch((error: unknown) =>
        // The next tick of the timer tries again.
        this.logger.error(`the queue of mails cannot be read: ${describe(error)}`),
      );
    });
  }

  /** Sends all mails that are due now. */
  drain(): Promise<void> {
    this.again = true;
    return (this.running ??= this.run().finally(() => (this.running = undefined)));
  }

  /** Waits for mails under way, up to 10 s. Other processes, or the next start, send the rest. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.timers.clear(this.waking);
    if (this.running)
      await this.timers
        .within(SHUTDOWN_TIMEOUT_MS, this.running, () => new SessionStoreUnavailableError())
        .catch(() => undefined);
  }

  private async run(): Promise<void> {
    while (this.again && !this.stopped) {
      this.again = false;
      await Promise.all(Array.from({ length: MAX_CONCURRENT_MAILS }, () => this.sendNext()));
    }
  }

  private async sendNext(): Promise<void> {
    while (!this.stopped) {
      const mail = await this.timers.within(
        DATABASE_TIMEOUT_MS,
        this.store.take(LEASE_MS),
        () => new SessionStoreUnavailableError(),
      );
      if (!mail) return;
      await this.attempt(mail);
    }
  }

  private async attempt(request: QueuedMail): Promise<void> {
    try {
      const late = () => new Error(`took longer than ${SEND_TIMEOUT_MS / 1000} s`);
      await this.timers.within(SEND_TIMEOUT_MS, this.deliver(request), late);
    } catch (error) {
      await this.timers.within(
        DATABASE_TIMEOUT_MS,
        this.failed(request, describe(error)),
        () => new SessionStoreUnavailableError(),
      );
    }
  }

  private async deliver(request: QueuedMail): Promise<void> {
    const { id: mailId, kind } = request;
    const mail = await this.composer.compose(request);
    if (mail) await this.mailer.send(mail);
    await this.store.remove(mailId);
    if (mail) this.events.emit({ type: 'mail.sent', mailId, kind });
  }

  private async failed({ id: mailId, kind, attempts }: QueuedMail, error: string): Promise<void> {
    if (attempts >= this.options.mail.maxAttempts) {
      await this.store.giveUp(mailId, error);
      this.logger.error(`mail ${mailId} (${kind}) was given up after ${attempts} attempts: ${error}`);
      this.events.emit({ type: 'mail.failed', mailId, kind, attempts, error });
      return;
    }
    await this.store.retry(mailId, Math.min(FIRST_RETRY_DELAY_MS * 4 ** (attempts - 1), MAX_RETRY_DELAY_MS), error);
    this.logger.warn(`mail ${mailId} (${kind}) was not sent, attempt ${attempts}: ${error}`);
    this.events.emit({ type: 'mail.delayed', mailId, kind, attempts, error });
  }
}

const MAX_ERROR_LENGTH = 300;

/** A mail server's answer may quote the mail, so anything that could be a token or an address is removed. */
function describe(error: unknown): string {
  const { code, message } = error instanceof Error ? (error as Error & { code?: unknown }) : { message: String(error) };
  return [typeof code === 'string' ? code : '', message]
    .filter(part => part !== '')
    .join(' ')
    .replaceAll(/[\w-]{40,}/g, '…')
    .replaceAll(/\S+@\S+/g, '…')
    .slice(0, MAX_ERROR_LENGTH);
}
