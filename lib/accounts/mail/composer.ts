import { Injectable } from '@nestjs/common';
import { randomBytes } from '../../common/random.js';
import { emailKey } from '../account.email.js';
import type { Account, MailRequest, TokenPurpose } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { AccountStore } from '../store/account.store.js';
import type { QueuedMail } from '../store/mail.store.js';
import { MailTokens } from './mail-tokens.js';
import type { Mail } from './mailer.js';
import { MAIL_TEMPLATES, type MailTemplates } from './templates.js';

type Page = keyof ResolvedAccountOptions['pages'];

interface MailPlan {
  readonly template: keyof MailTemplates;
  readonly to: string;
  readonly page: Page;
  readonly token?: { readonly purpose: TokenPurpose; readonly account: Account; readonly passwordHash?: string };
}

/**
 * Turns a queued request into a mail when the mail is sent. Accounts are looked up here, after the answer, so that requests
 * for known and unknown addresses take the same time; for an unknown one no mail is sent.
 */
@Injectable()
export class MailComposer {
  private readonly templates: MailTemplates;

  constructor(
    private readonly accounts: AccountStore,
    private readonly tokens: MailTokens,
    private readonly hasher: PasswordHasher,
    private readonly options: ResolvedAccountOptions,
  ) {
    this.templates = { ...MAIL_TEMPLATES, ...options.mail.templates };
  }

  /** @returns undefined when no mail is to be sent */
  async compose(request: QueuedMail): Promise<Mail | undefined> {
    const plan = await this.planFor(request);
    return plan && this.write(request.id, plan);
  }

  private async planFor(request: MailRequest): Promise<MailPlan | undefined> {
    switch (request.kind) {
      case 'registration':
      case 'verification':
        return this.verification(request);
      case 'recovery': {
        const account = await this.accounts.findByEmail(emailKey(request.email));
        if (!account || account.disabledAt) return undefined;
        const token = { purpose: 'reset-password', account } as const;
        return { template: 'resetPassword', to: account.email, page: 'resetPassword', token };
      }
      case 'email-change':
        return this.emailChange(request);
      case 'password-changed': {
        const account = await this.accounts.findById(request.accountId!);
        return account ? { template: 'passwordChanged', to: account.email, page: 'forgotPassword' } : undefined;
      }
      case 'email-changed':
        return { template: 'emailChanged', to: request.email, page: 'logIn' };
      case 'deleted':
        return { template: 'accountDeleted', to: request.email, page: 'logIn' };
    }
  }

  private async verification({ email, passwordHash }: MailRequest): Promise<MailPlan | undefined> {
    const account = await this.accounts.findByEmail(emailKey(email));
    if (!account || account.disabledAt) return undefined;
    if (account.verifiedAt) return { template: 'alreadyRegistered', to: account.email, page: 'logIn' };
    if (passwordHash !== undefined && passwordHash !== account.passwordHash) await this.invalidatePassword(account.id);
    const token = { purpose: 'verify-email', account, passwordHash } as const;
    return { template: 'verifyEmail', to: account.email, page: 'verifyEmail', token };
  }

  /**
   * Somebody else may have registered the address before its owner did. Which of them chose the account's password nobody
   * knows, so that only the link of a registration puts its own in force; after a mail that was asked for again the owner
   * chooses a new one.
   */
  private async invalidatePassword(accountId: string): Promise<void> {
    if (!this.options.requireVerified) return;
    const passwordHash = await this.hasher.hash(randomBytes(32).toString('base64'));
    await this.accounts.change(accountId, async ({ verifiedAt }, transaction) => {
      if (!verifiedAt) await this.accounts.update(accountId, { passwordHash }, transaction);
    });
  }

  private async emailChange({ email, accountId }: MailRequest): Promise<MailPlan | undefined> {
    const account = await this.accounts.findById(accountId!);
    if (!account || account.disabledAt) return undefined;
    const owner = await this.accounts.findByEmail(emailKey(email));
    if (owner && owner.id !== account.id) return { template: 'alreadyRegistered', to: owner.email, page: 'logIn' };
    return { template: 'confirmEmail', to: email, page: 'confirmEmail', token: { purpose: 'change-email', account } };
  }

  private async write(mailId: string, { template, to, page, token }: MailPlan): Promise<Mail | undefined> {
    const { baseUrl, pages, serviceName, mail } = this.options;
    let link = `${baseUrl}${pages[page]}`;
    let lifetime = '';
    if (token) {
      const { purpose, account, passwordHash = null } = token;
      // A change is bound to the new address as it is written, the other purposes to the account's present one.
      const email = purpose === 'change-email' ? to : account.emailKey;
      const secret = await this.tokens.issue(mailId, purpose, { accountId: account.id, email, passwordHash });
      if (secret === undefined) return undefined;
      // Browsers send the fragment to no server, so it appears in no access log and no Referer. The page posts the token, so
      // that scanners that open links do not use it up.
      link += `#token=${secret}`;
      lifetime = inWords(this.tokens.lifetimeOf(purpose));
    }
    const content = this.templates[template]({ serviceName, email: to, link, lifetime });
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
