import { isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDuration } from '../../common/duration.js';
import { mistakesIn, type OptionRule, refuseMistakes } from '../../common/option-mistakes.js';
import { fillIn, optionsToken, type Resolved, resolve } from '../../common/options.js';
import { refuseStaticOptions } from '../../common/static-options.js';
import { type AccountModuleOptions, AccountSettings } from './account-options.js';
import { StaticAccountSettings } from './static-account-options.js';

type Settings = Resolved<AccountSettings>;

/** The options with every default filled in. Durations are milliseconds. */
export abstract class ResolvedAccountOptions extends optionsToken<
  Omit<Settings, 'serviceName' | 'password' | 'mail'>
>() {
  /** Without a slash at its end. */
  declare readonly baseUrl: string;
  declare readonly serviceName: string;
  declare readonly password: Omit<Settings['password'], 'pepper'> & {
    /** The newest first. */
    readonly peppers: readonly string[];
  };
  declare readonly mail: Settings['mail'] & { readonly folder: string };
}

const MODULE = 'AccountModule';

/**
 * Checks the options and fills in the defaults.
 *
 * @throws SessionOptionsError that names every wrong option
 */
export function resolveAccountOptions(
  given: AccountModuleOptions | undefined,
  environment: Record<string, string | undefined>,
): ResolvedAccountOptions {
  refuseStaticOptions(MODULE, StaticAccountSettings, given ?? {});
  const settings = fillIn(AccountSettings, given ?? {});
  refuseMistakes(MODULE, [], mistakesIn(settings));
  refuseMistakes(MODULE, contradictions(settings, environment.NODE_ENV === 'production'));
  const { pepper, ...password } = resolve(settings.password);
  return {
    ...resolve(settings),
    baseUrl: settings.baseUrl.replace(/\/+$/, ''),
    serviceName: settings.serviceName ?? new URL(settings.baseUrl).host,
    password: { ...password, peppers: [pepper ?? []].flat() },
    mail: { ...resolve(settings.mail), folder: settings.mail.folder ?? join(tmpdir(), 'nestjs-jwt-session-mails') },
  };
}

// OWASP Password Storage Cheat Sheet, Argon2id: memory in KiB and passes, all with one lane.
const OWASP = [
  [47_104, 1],
  [19_456, 2],
  [12_288, 3],
  [9_216, 4],
  [7_168, 5],
] as const;

function contradictions(settings: AccountSettings, production: boolean): OptionRule[] {
  const { password, baseUrl, mail, tokens, unverifiedLifetime } = settings;
  const ways = (['smtp', 'folder', 'mailer'] as const).filter(name => mail[name] !== undefined);
  return [
    [
      !OWASP.some(([memory, passes]) => password.memoryCost >= memory && password.timeCost >= passes),
      `options "password.memoryCost" and "password.timeCost" are weaker than OWASP's: write at least one of ${OWASP.map(pair => pair.join(' and ')).join(', ')}`,
    ],
    [
      parseDuration(unverifiedLifetime)! < parseDuration(tokens.verification)!,
      'option "unverifiedLifetime" must not be shorter than "tokens.verification": lengthen it, or write \'none\'',
    ],
    [ways.length > 1, `options "${ways.map(name => `mail.${name}`).join('" and "')}": write one of them`],
    [
      production && (ways.length === 0 || ways.includes('folder')),
      'option "mail.smtp" (or "mail.mailer") is missing and NODE_ENV is "production": mails would stay in a folder',
    ],
    [
      production && baseUrl.startsWith('http:') && !isLoopback(new URL(baseUrl).hostname),
      'option "baseUrl" is http and NODE_ENV is "production": write https, because links in mails carry tokens',
    ],
  ];
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
