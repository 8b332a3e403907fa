import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { Schedule } from '../common/schedule.js';
import { ACCOUNT_MODULE_EXTRAS } from './account.constants.js';
import { AccountEvents } from './account.events.js';
import { Outbox } from './mail/outbox.js';
import { AccountCleanUp } from './operations/clean-up.js';
import type { AccountModuleExtras } from './options/static-account-options.js';
import { AccountDatabase } from './store/account.database.js';

const MAIL_INTERVAL_MS = 10_000;
const CLEAN_UP_INTERVAL_MS = 3_600_000;

/** Checks the database at start, sends waiting mails and cleans up at intervals, and waits for mails at the end. */
@Injectable()
export class AccountLifecycle implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('AccountModule');
  private readonly timers: (() => void)[] = [];

  constructor(
    @Inject(ACCOUNT_MODULE_EXTRAS) private readonly extras: AccountModuleExtras,
    private readonly database: AccountDatabase,
    private readonly cleanUp: AccountCleanUp,
    private readonly outbox: Outbox,
    private readonly schedule: Schedule,
    private readonly events: AccountEvents,
  ) {}

  /** @throws Error that says what to add to the data source */
  async onModuleInit(): Promise<void> {
    await this.database.requireSchema();
    const { controller } = this.extras;
    this.logger.log(`accounts at ${controller ? `/${controller.path.replace(/^\//, '')}` : 'not mounted'}`);
  }

  async onApplicationBootstrap(): Promise<void> {
    this.timers.push(
      this.schedule.every('jwt-account-mail', MAIL_INTERVAL_MS, () => this.outbox.drain()),
      this.schedule.every('jwt-account-clean-up', CLEAN_UP_INTERVAL_MS, () => this.cleanUp.run()),
    );
    this.outbox.wake();
  }

  /** Mails under way are finished while TypeORM's connections are still open. */
  async beforeApplicationShutdown(): Promise<void> {
    for (const stop of this.timers.splice(0)) stop();
    await this.outbox.stop();
    this.events.complete();
  }
}
