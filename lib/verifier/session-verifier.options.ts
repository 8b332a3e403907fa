import type { Duration } from '../common/duration.js';
import { Check, CheckDuration, matching, oneOf, trueOrFalse } from '../common/option-checks.js';
import { mistakesIn, refuseMistakes } from '../common/option-mistakes.js';
import { fillIn, type Given, OptionGroup, optionsToken, type Resolved, resolve } from '../common/options.js';
import { refuseStaticOptions } from '../common/static-options.js';
import { type ResolvedSessionOptions, resolveSettings } from '../options/resolve-options.js';
import { SessionSettings } from '../options/session-options.js';
import { audience, issuer, type SigningKey, signingKey, TokenIssueSettings } from '../options/token-options.js';
import { TransportSettings } from '../options/transport-options.js';

const isHttpUrl = (value: unknown) =>
  typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);

/**
 * The options of `SessionVerifierModule`, with their defaults. `cookies`, `issuer` and `audience` are those of the
 * issuing application.
 */
export class SessionVerifierSettings extends TransportSettings {
  /** Where the issuing application serves its public keys: `https://…/.well-known/jwks.json`. */
  @Check(matching(isHttpUrl, "write the whole address, such as 'https://auth.example.com/.well-known/jwks.json'"))
  jwksUri?: string;

  /** Instead of `jwksUri`: the secret that the issuing application signs with by HS256. */
  @Check(signingKey)
  sharedSecret?: SigningKey;

  /** The `iss` claim (RFC 7519, section 4.1.1) that access tokens must have. */
  @Check(issuer)
  issuer?: string;

  /** The `aud` claim (RFC 7519, section 4.1.3) that access tokens must have. */
  @Check(audience)
  audience?: string;

  /** How far in the future `iat` may lie because clocks differ, at most `60s`. `exp` is exact. */
  @CheckDuration({ max: '60s' })
  clockTolerance: Duration = new TokenIssueSettings().clockTolerance;

  /** Protects cookie-authenticated requests against other sites by Fetch Metadata and `Origin`. */
  @Check(oneOf(['origin', 'off']))
  override csrf!: 'origin' | 'off';
}

/** Written beside `useFactory`, never in its result. */
export class StaticVerifierSettings extends OptionGroup {
  /** Whether guard and authenticator are visible in all modules. */
  @Check(trueOrFalse())
  isGlobal = true;
}

/** The options of `SessionVerifierModule.forRoot` and of the factories of `SessionVerifierModule.forRootAsync`. */
export interface SessionVerifierOptions extends Given<SessionVerifierSettings> {}

export interface SessionVerifierModuleExtras extends Given<StaticVerifierSettings> {}

/** Implemented by the classes of `useClass` and `useExisting` of `SessionVerifierModule.forRootAsync`. */
export interface SessionVerifierOptionsFactory {
  createSessionVerifierOptions(): SessionVerifierOptions | Promise<SessionVerifierOptions>;
}

/** The options with every default filled in. */
export abstract class ResolvedVerifierOptions extends optionsToken<Resolved<SessionVerifierSettings>>() {}

const MODULE = 'SessionVerifierModule';

/**
 * Checks the options and fills in the defaults.
 *
 * @throws SessionOptionsError that names every wrong option
 */
export function resolveVerifierOptions(given: SessionVerifierOptions = {}): ResolvedVerifierOptions {
  refuseStaticOptions(MODULE, StaticVerifierSettings, given);
  const settings = fillIn(SessionVerifierSettings, given);
  const rule = [
    (settings.jwksUri === undefined) === (settings.sharedSecret === undefined),
    'write option "jwksUri", the address of the issuing application\'s public keys, or for HS256 option "sharedSecret", not both',
  ] as const;
  refuseMistakes(MODULE, [rule], mistakesIn(settings));
  return resolve(settings);
}

/** The options for the parts that are shared with `SessionModule`. */
export function sessionOptionsOf(verifier: ResolvedVerifierOptions): ResolvedSessionOptions {
  const { accessToken, ...session } = resolveSettings(new SessionSettings());
  return {
    ...session,
    accessToken: {
      ...accessToken,
      issuer: verifier.issuer,
      audience: verifier.audience,
      clockTolerance: verifier.clockTolerance,
    },
    transport: verifier.transport,
    cookies: verifier.cookies,
    csrf: verifier.csrf,
    trustedOrigins: verifier.trustedOrigins,
  };
}
