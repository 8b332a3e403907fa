import type { Duration } from '../common/duration.js';
import { Check, CheckDuration, CheckGroup, matching, oneOf, pattern, trueOrFalse } from '../common/option-checks.js';
import { mistakesIn, type OptionRule, refuseMistakes } from '../common/option-mistakes.js';
import { fillIn, type Given, isObject, OptionGroup, optionsToken, type Resolved, resolve } from '../common/options.js';
import { refuseStaticOptions } from '../common/static-options.js';
import { isUnset, type ResolvedSessionOptions, resolveSettings } from '../options/resolve-options.js';
import { DpopProofSettings } from '../options/key-binding-options.js';
import { SessionSettings } from '../options/session-options.js';
import { audience, issuer, type SigningKey, signingKey, TokenIssueSettings } from '../options/token-options.js';
import { TransportSettings } from '../options/transport-options.js';

type Environment = Record<string, string | undefined>;

const isHttpUrl = (value: unknown) =>
  typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);

const isUrlWithoutPassword = (value: unknown) => {
  if (!isHttpUrl(value)) return false;
  const { username, password } = new URL(value as string);
  return username === '' && password === '';
};

class RemoteRevocationSettings extends OptionGroup {
  /**
   * Where the issuing application serves what was revoked (its option `revocations`): `https://…/session/revocations`.
   * Without it an access token of an ended session is accepted until it expires.
   */
  @Check(
    matching(
      isUrlWithoutPassword,
      "write the whole address without a password, such as 'https://auth.example.com/session/revocations'",
    ),
  )
  url?: string;

  /** Sent as `Authorization: Bearer`; the guard of the issuing application decides by it. */
  @Check(pattern(/^[\x21-\x7e]+$/, 'write a text of printable ASCII characters without spaces'))
  token?: string;

  /**
   * How old the knowledge of what was revoked may be, in this service and in the issuing application together; `1s` to
   * `10m`. It is fetched three times within it.
   */
  @CheckDuration({ min: '1s', max: '10m' })
  maxStaleness: Duration = '30s';

  /**
   * What happens to requests while the knowledge is older than that: `refuse` answers 503, `accept` lets in whom it does
   * not know to be revoked.
   */
  @Check(oneOf(['refuse', 'accept']))
  onStale: 'refuse' | 'accept' = 'refuse';
}

class VerifierKeyBindingSettings extends OptionGroup {
  /** How proofs of access tokens that are bound to a key are checked. */
  @CheckGroup()
  dpop = new DpopProofSettings();
}

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

  @CheckGroup()
  keyBinding = new VerifierKeyBindingSettings();

  @CheckGroup()
  revocations = new RemoteRevocationSettings();

  /** Metrics by OpenTelemetry (needs the package @opentelemetry/api). Its SDK must start before the application. */
  @Check(trueOrFalse())
  telemetry = false;

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

export interface RemoteRevocationOptions extends Given<RemoteRevocationSettings> {}

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
export function resolveVerifierOptions(
  given: SessionVerifierOptions = {},
  environment: Environment = {},
): ResolvedVerifierOptions {
  refuseStaticOptions(MODULE, StaticVerifierSettings, given);
  const settings = fillIn(SessionVerifierSettings, given);
  refuseMistakes(MODULE, rulesFor(settings, given, environment), mistakesIn(settings));
  return resolve(settings);
}

function rulesFor(
  { jwksUri, sharedSecret, revocations }: SessionVerifierSettings,
  given: SessionVerifierOptions,
  environment: Environment,
): OptionRule[] {
  const isProduction = environment.NODE_ENV === 'production';
  return [
    [
      (jwksUri === undefined) === (sharedSecret === undefined),
      'write option "jwksUri", the address of the issuing application\'s public keys, or for HS256 option "sharedSecret", not both',
    ],
    ...(['url', 'token'] as const).map((name): OptionRule => [
      isUnset(given.revocations, name),
      `option "revocations.${name}" is present but undefined: set the environment variable it is read from`,
    ]),
    [
      isObject(given.revocations) && !('url' in given.revocations),
      'option "revocations" needs "url", the address where the issuing application serves what was revoked',
    ],
    [
      revocations.url !== undefined && !('token' in given.revocations!),
      'option "revocations.token" is missing: write the token by which the guard of the issuing application admits this service',
    ],
    ...Object.entries({ jwksUri, 'revocations.url': revocations.url }).map(([name, url]): OptionRule => [
      isProduction && isPlainRemote(url),
      `option "${name}": with NODE_ENV=production write an address of https, so that a party on the network path cannot change the answer`,
    ]),
  ];
}

/** Whether the way there is not encrypted. The way to another process of the same machine need not be. */
function isPlainRemote(url: unknown): boolean {
  if (!isHttpUrl(url)) return false;
  const { protocol, hostname } = new URL(url as string);
  return protocol === 'http:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
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
    keyBinding: { dpop: { ...verifier.keyBinding.dpop, nonce: 'off' } },
    transport: verifier.transport,
    cookies: verifier.cookies,
    csrf: verifier.csrf,
    trustedOrigins: verifier.trustedOrigins,
  };
}
