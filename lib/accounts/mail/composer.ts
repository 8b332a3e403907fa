import { Injectable } from '@nestjs/common';
import { type Device, SessionService } from '../../index.js';
import { emailKey } from '../account.email.js';
import { AccountEvents } from '../account.events.js';
import type { Account, LinkPurpose, MailRequest } from '../account.types.js';
import { toView } from '../account.view.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { AccountStore } from '../store/account.store.js';
import type { QueuedMail } from '../store/mail.store.js';
import { MailTokens } from './mail-tokens.js';
import type { Mail } from './mailer.js';
import { MAIL_TEMPLATES, type MailTemplates, type SignIn } from './templates.js';

// Clients choose their user agent freely. A name without a dot or slash becomes no link in a mail program.
const DEVICE_NAME = /^[\p{L}\p{N} _+()'-]{1,80}$/u;

type Page = keyof ResolvedAccountOptions['pages'];

interface MailPlan {
  readonly template: keyof MailTemplates;
  readonly to: string;
  readonly page: Page;
  /** The recipient's account. */
  readonly account?: Account;
  /** What the link does; without a purpose it has no token. */
  readonly purpose?: LinkPurpose;
  /** What the mail tells of a login. */
  readonly signIn?: SignIn;
}

/**
 * Turns a queued request into a mail when the mail is sent. Accounts are looked up here, after the answer, so that
 * requests for known and unknown addresses take the same time; for an unknown one no mail is sent.
 */
@Injectable()
export class MailComposer {
  private readonly templates: MailTemplates;

  constructor(
    private readonly accounts: AccountStore,
    private readonly tokens: MailTokens,
    private readonly sessions: SessionService,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
  ) {
    this.templates = { ...MAIL_TEMPLATES, ...options.mail.templates };
  }

  /** @returns undefined when no mail is to be sent */
  async compose(request: QueuedMail): Promise<Mail | undefined> {
    const plan = await this.planFor(request);
    return plan && this.write(request, plan);
  }

  private async planFor(request: QueuedMail): Promise<MailPlan | undefined> {
    switch (request.kind) {
      case 'registration': {
        const plan = await this.verification(request);
        // The registration has added an account, unless an account has the address that the store does not find.
        if (!plan && (await this.isBlocked(request))) {
          this.events.emit({ type: 'account.registration-blocked', mailId: request.id });
        }
        return plan;
      }
      case 'verification':
        return this.verification(request);
      case 'recovery': {
        const account = await this.accounts.findByEmail(emailKey(request.email));
        if (!account || account.disabledAt) return undefined;
        const purpose = 'reset-password';
        return { template: 'resetPassword', to: account.email, page: 'resetPassword', account, purpose };
      }
      case 'email-change':
        return this.emailChange(request);
      case 'password-changed': {
        const account = await this.accounts.findById(request.accountId!);
        return account
          ? { template: 'passwordChanged', to: account.email, page: 'forgotPassword', account }
          : undefined;
      }
      case 'email-changed': {
        const account = await this.accounts.findById(request.accountId!);
        if (!account) return undefined;
        const purpose = 'undo-email-change';
        return { template: 'emailChanged', to: request.email, page: 'undoEmailChange', account, purpose };
      }
      case 'email-changed-again':
        return { template: 'emailChangedAgain', to: request.email, page: 'logIn' };
      case 'new-sign-in':
        return this.newSignIn(request);
      case 'deleted':
        return { template: 'accountDeleted', to: request.email, page: 'logIn' };
    }
  }

  private async isBlocked({ email }: MailRequest): Promise<boolean> {
    return (await this.accounts.findByEmail(emailKey(email))) === null;
  }

  private async verification({ email }: MailRequest): Promise<MailPlan | undefined> {
    const account = await this.accounts.findByEmail(emailKey(email));
    if (!account || account.disabledAt) return undefined;
    if (account.verifiedAt) return { template: 'alreadyRegistered', to: account.email, page: 'logIn', account };
    return { template: 'verifyEmail', to: account.email, page: 'verifyEmail', account, purpose: 'verify-email' };
  }

  private async emailChange({ email, accountId }: MailRequest): Promise<MailPlan | undefined> {
    const account = await this.accounts.findById(accountId!);
    if (!account || account.disabledAt) return undefined;
    const owner = await this.accounts.findByEmail(emailKey(email));
    if (owner && owner.id !== account.id) {
      return { template: 'alreadyRegistered', to: owner.email, page: 'logIn', account: owner };
    }
    return { template: 'confirmEmail', to: email, page: 'confirmEmail', account, purpose: 'change-email' };
  }

  private async newSignIn({ accountId, sessionId }: MailRequest): Promise<MailPlan | undefined> {
    const account = await this.accounts.findById(accountId!);
    if (!account) return undefined;
    const session = await this.findSession(account.id, sessionId!);
    const device = session?.label;
    const signIn = {
      device: device && DEVICE_NAME.test(device) ? device : null,
      ip: session?.ip ?? null,
      at: session?.createdAt ?? null,
    };
    const purpose = 'end-session';
    return { template: 'newSignIn', to: account.email, page: 'endSession', account, purpose, signIn };
  }

  /** An intruder may have logged out again at once: sessions that have ended are exported, without a browser's name. */
  private async findSession(accountId: string, sessionId: string): Promise<Device | undefined> {
    const isIt = ({ id }: Device) => id === sessionId;
    return (await this.sessions.list(accountId)).find(isIt) ?? (await this.sessions.export(accountId)).find(isIt);
  }

  private async write(
    { id, sessionId, language }: QueuedMail,
    { template, to, page, account, purpose, signIn }: MailPlan,
  ): Promise<Mail | undefined> {
    const { baseUrl, pages, serviceName, mail } = this.options;
    let link = `${baseUrl}${pages[page]}`;
    let lifetime = '';
    if (account && purpose) {
      // Changes of the address are bound to the address that they put in force, the other links to the present one.
      const email = purpose === 'change-email' || purpose === 'undo-email-change' ? to : account.emailKey;
      const secret = await this.tokens.issue(id, purpose, {
        accountId: account.id,
        email,
        sessionId: sessionId ?? null,
      });
      if (secret === undefined) return undefined;
      // Browsers send the fragment to no server, so it appears in no access log and no Referer. The page posts the
      // token, so that scanners that open links do not use it up.
      link += `#token=${secret}`;
      lifetime = inWords(this.tokens.lifetimeOf(purpose));
    }
    const context = { serviceName, email: to, link, lifetime, language, account: account && toView(account), signIn };
    const content = await this.templates[template](context);
    return { name: kebab(template), from: mail.from, to, ...content };
  }
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** `24 hours` rather than `1 day`, rounded down. */
function inWords(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, length]) => milliseconds >= 2 * length) ?? UNITS.at(-1)!;
  const count = Math.floor(milliseconds / size);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}
