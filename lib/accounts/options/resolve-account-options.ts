import type { Type } from '@nestjs/common';
import { isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defined } from '../../common/without-undefined.js';
import { parseDuration } from '../../common/duration.js';
import { findOptionMistakes } from '../../common/option-checks.js';
import type { Mailer } from '../mail/mailer.js';
import type { MailTemplates } from '../mail/templates.js';
import { ACCOUNT_DEFAULT_EXTRAS, ACCOUNT_DEFAULTS } from './account-options.defaults.js';
import { AccountModuleOptions, type AttemptLimit, type SmtpOptions } from './account-options.js';

/** How often something may be tried. `within` is milliseconds. */
export interface ResolvedAttemptLimit {
  readonly perAccount: number;
  readonly perAddress: number;
  readonly within: number;
}

/** The options with every default filled in. Durations are milliseconds. */
export class ResolvedAccountOptions {
  /** Without a slash at its end. */
  readonly baseUrl!: string;
  readonly serviceName!: string;
  readonly pages!: Readonly<Record<keyof typeof ACCOUNT_DEFAULTS.pages, string>>;
  readonly password!: {
    readonly minLength: number;
    readonly maxLength: number;
    readonly memoryCost: number;
    readonly timeCost: number;
    readonly parallelism: number;
    /** The newest first. */
    readonly peppers: readonly string[];
    readonly isCompromised?: (password: string) => boolean | Promise<boolean>;
    readonly onChange: 'end-others' | 'end-all' | 'keep';
  };
  readonly tokens!: { readonly verification: number; readonly recovery: number; readonly emailChange: number };
  readonly attempts!: { readonly logIn: ResolvedAttemptLimit; readonly mail: ResolvedAttemptLimit };
  readonly mail!: {
    readonly from: string;
    readonly smtp?: string | SmtpOptions;
    readonly folder: string;
    readonly mailer?: Type<Mailer>;
    readonly templates: Partial<MailTemplates>;
    readonly maxAttempts: number;
  };
  readonly recentLogin!: number;
  readonly requireVerified!: boolean;
  readonly role!: string;
}

/** Thrown at start for options that cannot work; the message names the option and says what to write. */
export class AccountOptionsError extends Error {
  override readonly name = 'AccountOptionsError';

  constructor(mistakes: readonly string[]) {
    super(`AccountModule cannot start:\n${mistakes.map(mistake => `  - ${mistake}`).join('\n')}`);
  }
}

const STATIC_OPTIONS = ['dataSource', 'entity', 'store', ...Object.keys(ACCOUNT_DEFAULT_EXTRAS)];

/**
 * Checks the options and fills in the defaults.
 *
 * @throws AccountOptionsError naming every option that is wrong
 */
export function resolveAccountOptions(
  options: AccountModuleOptions | undefined,
  environment: Record<string, string | undefined>,
): ResolvedAccountOptions {
  const given: AccountModuleOptions = options ?? {};
  const statics = STATIC_OPTIONS.filter(name => name in given).map(
    name => `option "${name}" is static: write it beside useFactory, not in its result`,
  );
  if (statics.length > 0) throw new AccountOptionsError(statics);
  const mistakes = findOptionMistakes(AccountModuleOptions, given);
  if (given.mail === undefined) mistakes.push('option "mail": write { from, smtp }');
  if (mistakes.length > 0) throw new AccountOptionsError(mistakes);
  const resolved = fillIn(given);
  const contradictions = findContradictions(resolved, given, environment.NODE_ENV === 'production');
  if (contradictions.length > 0) throw new AccountOptionsError(contradictions);
  return resolved;
}

function fillIn(given: AccountModuleOptions): ResolvedAccountOptions {
  const tokens = { ...ACCOUNT_DEFAULTS.tokens, ...defined(given.tokens) };
  const { pepper, ...password } = { pepper: [], ...ACCOUNT_DEFAULTS.password, ...defined(given.password) };
  return {
    baseUrl: given.baseUrl!.replace(/\/+$/, ''),
    serviceName: given.serviceName ?? new URL(given.baseUrl!).host,
    pages: { ...ACCOUNT_DEFAULTS.pages, ...defined(given.pages) },
    password: { ...password, peppers: [pepper].flat() },
    tokens: {
      verification: parseDuration(tokens.verification)!,
      recovery: parseDuration(tokens.recovery)!,
      emailChange: parseDuration(tokens.emailChange)!,
    },
    attempts: {
      logIn: limit(ACCOUNT_DEFAULTS.attempts.logIn, given.attempts?.logIn),
      mail: limit(ACCOUNT_DEFAULTS.attempts.mail, given.attempts?.mail),
    },
    mail: {
      ...ACCOUNT_DEFAULTS.mail,
      folder: join(tmpdir(), 'nestjs-jwt-session-mails'),
      templates: {},
      ...defined(given.mail),
      from: given.mail!.from!,
    },
    recentLogin: parseDuration(given.recentLogin ?? ACCOUNT_DEFAULTS.recentLogin)!,
    requireVerified: given.requireVerified ?? ACCOUNT_DEFAULTS.requireVerified,
    role: given.role ?? ACCOUNT_DEFAULTS.role,
  };
}

function limit(defaults: Required<AttemptLimit>, given: AttemptLimit | undefined): ResolvedAttemptLimit {
  const { within, ...counts } = { ...defaults, ...defined(given) };
  return { ...counts, within: parseDuration(within)! };
}

// OWASP Password Storage Cheat Sheet, Argon2id: memory in KiB and passes, all with one lane.
const OWASP = [
  [47_104, 1],
  [19_456, 2],
  [12_288, 3],
  [9_216, 4],
  [7_168, 5],
] as const;

function findContradictions(
  { password, baseUrl }: ResolvedAccountOptions,
  { mail }: AccountModuleOptions,
  production: boolean,
): string[] {
  const ways = (['smtp', 'folder', 'mailer'] as const).filter(name => mail?.[name] !== undefined);
  const rules: [broken: boolean, mistake: string][] = [
    [
      !OWASP.some(([memory, passes]) => password.memoryCost >= memory && password.timeCost >= passes),
      `options "password.memoryCost" and "password.timeCost" are weaker than OWASP's: write at least one of ${OWASP.map(pair => pair.join(' and ')).join(', ')}`,
    ],
    [ways.length > 1, `options "${ways.map(name => `mail.${name}`).join('" and "')}": write one of them`],
    [
      production && (ways.length === 0 || ways.includes('folder')),
      'option "mail.smtp" (or "mail.mailer") is missing and NODE_ENV is "production": mails would lie in a folder',
    ],
    [
      production && baseUrl.startsWith('http:') && !isLoopback(new URL(baseUrl).hostname),
      'option "baseUrl" is http and NODE_ENV is "production": write https, because links in mails carry tokens',
    ],
  ];
  return rules.filter(([broken]) => broken).map(([, mistake]) => mistake);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
