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

// Milliseconds. For so long a mail is one process's.
const LEASE_MS = 120_000;
// Less than that: a mail server or an API that answers no more must not hold up all other mails.
const SEND_TIMEOUT_MS = 100_000;
const DATABASE_TIMEOUT_MS = 5_000;
const SHUTDOWN_TIMEOUT_MS = 10_000;
const FIRST_DELAY = 10_000;
const MAX_DELAY_MS = 21_600_000;
const AT_ONCE = 4;
// So that the answer is gone before work begins that only a known address makes.
const KICK_DELAY = 50;

/**
 * Sends mails behind the answer. A request for one is written with what it is about, and carried out by whichever process
 * comes first; what fails is tried again, ever more rarely, until it is given up and reported.
 */
@Injectable()
export class Outbox {
  private readonly logger = new Logger('AccountMail');
  private running?: Promise<void>;
  private again = false;
  private stopped = false;
  private kicked?: NodeJS.Timeout;

  constructor(
    private readonly store: MailStore,
    private readonly composer: MailComposer,
    private readonly mailer: Mailer,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
  ) {}

  /** Writes a request, in the caller's transaction where there is one; `kick` it after the commit. */
  async add(mail: MailRequest, transaction?: AccountTransaction): Promise<void> {
    await this.store.add(uuidV7(this.clock.now()), mail, transaction);
  }

  /** Sends what waits, soon. Never fails and never blocks. */
  kick(): void {
    this.kicked ??= this.timers.after(KICK_DELAY, () => {
      this.kicked = undefined;
      this.drain().catch((error: unknown) =>
        // The next turn of the timer tries again.
        this.logger.error(`the queue of mails cannot be read: ${describe(error)}`),
      );
    });
  }

  /** Sends all that is due now, once. */
  drain(): Promise<void> {
    this.again = true;
    return (this.running ??= this.run().finally(() => (this.running = undefined)));
  }

  /** Waits a while for what is being sent; the rest is left to the other processes, or to the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.timers.clear(this.kicked);
    if (this.running)
      await this.timers
        .within(SHUTDOWN_TIMEOUT_MS, this.running, () => new SessionStoreUnavailableError())
        .catch(() => undefined);
  }

  private async run(): Promise<void> {
    while (this.again && !this.stopped) {
      this.again = false;
      await Promise.all(Array.from({ length: AT_ONCE }, () => this.work()));
    }
  }

  private async work(): Promise<void> {
    while (!this.stopped) {
      const mail = await this.timers.within(
        DATABASE_TIMEOUT_MS,
        this.store.take(LEASE_MS),
        () => new SessionStoreUnavailableError(),
      );
      if (!mail) return;
      await this.send(mail);
    }
  }

  private async send(request: QueuedMail): Promise<void> {
    try {
      const late = () => new Error(`took longer than ${SEND_TIMEOUT_MS / 1000} s`);
      await this.timers.within(SEND_TIMEOUT_MS, this.carryOut(request), late);
    } catch (error) {
      await this.timers.within(
        DATABASE_TIMEOUT_MS,
        this.failed(request, describe(error)),
        () => new SessionStoreUnavailableError(),
      );
    }
  }

  private async carryOut(request: QueuedMail): Promise<void> {
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
    await this.store.retry(mailId, Math.min(FIRST_DELAY * 4 ** (attempts - 1), MAX_DELAY_MS), error);
    this.logger.warn(`mail ${mailId} (${kind}) was not sent, attempt ${attempts}: ${error}`);
    this.events.emit({ type: 'mail.delayed', mailId, kind, attempts, error });
  }
}

const MAX_ERROR_LENGTH = 300;

/** A mail server's answer may quote the mail: what could be a token or an address goes. */
function describe(error: unknown): string {
  const { code, message } = error instanceof Error ? (error as Error & { code?: unknown }) : { message: String(error) };
  return [typeof code === 'string' ? code : '', message]
    .filter(part => part !== '')
    .join(' ')
    .replaceAll(/[\w-]{40,}/g, '…')
    .replaceAll(/\S+@\S+/g, '…')
    .slice(0, MAX_ERROR_LENGTH);
}
