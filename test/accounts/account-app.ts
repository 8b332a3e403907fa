import type { TestingModuleBuilder } from '@nestjs/testing';
import { SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import {
  ACCOUNT_MIGRATIONS,
  AccountClaims,
  type AccountEvent,
  AccountModule,
  type AccountModuleImports,
  type AccountModuleOptions,
  AccountService,
  AccountStore,
  Argon2Hasher,
  PasswordHasher,
} from 'nestjs-jwt-session/accounts';
import { emailKey } from '../../lib/accounts/account.email.js';
import { AccountCleanUp } from '../../lib/accounts/operations/clean-up.js';
import { Outbox } from '../../lib/accounts/mail/outbox.js';
import { uuidV7 } from '../../lib/common/uuid.js';
import { type Answer, CookieClient, send } from '../support/client.js';
import { startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { Inbox, type ReceivedMail, tokenOf } from './inbox.js';

export const PASSWORD = 'a garden of seven oaks';
export const DEVICE_COOKIE = '__Host-Http-session_device';

export const OTHER_PASSWORD = 'nine ships on a quiet sea';

/** Parameters far below what the options accept, so that tests wait for no hash. */
export const FAST = { memoryCost: 8, timeCost: 1, parallelism: 1, peppers: [] };

export function withFastHashes(builder: TestingModuleBuilder): void {
  builder.overrideProvider(PasswordHasher).useValue(new Argon2Hasher(FAST));
}

const PLENTY = { perAccount: 100, perAddress: 100_000 };

export type AccountOptions = Partial<AccountModuleOptions & AccountModuleImports>;

export interface AccountAppOptions extends TestAppOptions {
  accounts?: AccountOptions;
  inbox?: Inbox;
}

/** A real application with accounts, on a real database and a real mail server. */
export class AccountApp {
  readonly accountEvents: AccountEvent[] = [];

  private constructor(
    readonly test: TestApp,
    readonly inbox: Inbox,
    private readonly ownsInbox: boolean,
  ) {
    this.accounts.events.subscribe(event => this.accountEvents.push(event));
  }

  static async start({ accounts, inbox, ...options }: AccountAppOptions = {}): Promise<AccountApp> {
    const mails = inbox ?? (await Inbox.open());
    const test = await startTestApp({
      ...options,
      session: { claims: AccountClaims, ...options.session },
      typeorm: { migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS], ...options.typeorm },
      imports: [
        AccountModule.forRoot({
          baseUrl: 'https://garden.example',
          serviceName: 'The Garden',
          mail: { from: 'The Garden <no-reply@garden.example>', smtp: mails.url },
          attempts: { logIn: PLENTY, mail: PLENTY },
          ...accounts,
        }),
        ...(options.imports ?? []),
      ],
      override: options.override ?? withFastHashes,
    });
    return new AccountApp(test, mails, inbox === undefined);
  }

  get accounts(): AccountService {
    return this.test.app.get(AccountService);
  }

  private get store(): AccountStore {
    return this.test.app.get(AccountStore);
  }

  get outbox(): Outbox {
    return this.test.app.get(Outbox);
  }

  /** What happens every hour. */
  cleanUp(): Promise<void> {
    return this.test.app.get(AccountCleanUp).run();
  }

  client(): CookieClient {
    return new CookieClient(this.test.url);
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return send(`${this.test.url}/account/${path}`, { method: 'POST', body, headers });
  }

  register(email: string, password = PASSWORD): Promise<Answer> {
    return this.post('register', { email, password });
  }

  verificationMail(email: string, count = 1): Promise<ReceivedMail> {
    return this.inbox.wait(email, /^Verify/, count);
  }

  /** Registers and follows the link of the mail. */
  async verified(email: string, password = PASSWORD): Promise<string> {
    await this.register(email, password);
    await this.post('verify-email', { token: tokenOf(await this.verificationMail(email)), password });
    return (await this.store.findByEmail(emailKey(email)))!.id;
  }

  /** An account that is there, by no mail. */
  async member(email: string, password = PASSWORD): Promise<string> {
    const now = this.test.clock.now();
    const id = uuidV7(now);
    const passwordHash = await this.test.app.get(PasswordHasher).hash(password);
    const dates = { verifiedAt: new Date(now), disabledAt: null, firstLogInAt: null, createdAt: new Date(now) };
    await this.store.insert({ id, email, emailKey: emailKey(email), passwordHash, role: 'user', ...dates });
    return id;
  }

  /** A browser in which somebody has logged in. */
  async loggedIn(email: string, password = PASSWORD): Promise<CookieClient> {
    const client = this.client();
    const answer = await client.send('/account/login', { method: 'POST', body: { email, password } });
    if (answer.status !== 200) throw new Error(`the login was refused: ${JSON.stringify(answer.body)}`);
    return client;
  }

  /** The token of the link to a new password. */
  async recoveryToken(email: string, count = 1): Promise<string> {
    await this.post('forgot-password', { email });
    return tokenOf(await this.inbox.wait(email, /^Choose a new password/, count));
  }

  async close(): Promise<void> {
    await this.test.close();
    if (this.ownsInbox) await this.inbox.close();
  }
}

/** The names of all cookies but the one that recognises the device. */
export function sessionCookiesOf({ jar }: CookieClient): string[] {
  return [...jar.keys()].filter(name => name !== DEVICE_COOKIE);
}
