import { IsArray, IsIn, IsOptional } from 'class-validator';
import { findOptionMistakes, IsJwksUri, IsOptionsObject, IsOrigin, IsSigningKey } from '../common/option-checks.js';
import { fillIn, ResolvedSessionOptions, SessionOptionsError } from '../options/resolve-options.js';
import { CookieOptions, type SigningKey, TokenOriginOptions } from '../options/session-options.js';

/**
 * The options of `SessionVerifierModule.forRoot`. What they have in common with `SessionModule`'s has the same defaults;
 * `issuer` and `audience` are those of the issuing application.
 */
export class SessionVerifierOptions extends TokenOriginOptions {
  /** Where the issuing application shows its public keys: `https://…/.well-known/jwks.json`. */
  @IsJwksUri()
  jwksUri?: string;

  /** In the place of `jwksUri`: the secret that the issuing application signs with by HS256. */
  @IsSigningKey()
  sharedSecret?: SigningKey;

  /** Where access tokens are looked for: `cookie`, `bearer`, or `both`. */
  @IsOptional()
  @IsIn(['cookie', 'bearer', 'both'])
  transport?: 'cookie' | 'bearer' | 'both';

  /** What decides the access cookie's name: as in the issuing application. */
  @IsOptionsObject(() => CookieOptions)
  cookies?: CookieOptions;

  /** Protection of cookie-authenticated requests against other sites by Fetch Metadata and `Origin`. */
  @IsOptional()
  @IsIn(['origin', 'off'])
  csrf?: 'origin' | 'off';

  /** Other origins whose pages may send unsafe requests with cookies. */
  @IsOptional()
  @IsArray()
  @IsOrigin({ each: true })
  trustedOrigins?: string[];
}

/** What `useClass` and `useExisting` of `SessionVerifierModule.forRootAsync` name. */
export interface SessionVerifierOptionsFactory {
  createSessionVerifierOptions(): SessionVerifierOptions | Promise<SessionVerifierOptions>;
}

/**
 * Checks the options.
 *
 * @throws SessionOptionsError naming every option that is wrong
 */
export function checkVerifierOptions(given: SessionVerifierOptions): SessionVerifierOptions {
  const mistakes = findOptionMistakes(SessionVerifierOptions, given);
  if ((given.jwksUri === undefined) === (given.sharedSecret === undefined)) {
    mistakes.push(
      'write option "jwksUri", the address of the issuing application\'s public keys, or for HS256 option "sharedSecret", not both',
    );
  }
  if (mistakes.length > 0) throw new SessionOptionsError(mistakes, 'SessionVerifierModule');
  return given;
}

/** The same options as the parts that are shared with `SessionModule` know them. */
export function sessionOptionsOf(given: SessionVerifierOptions): ResolvedSessionOptions {
  const { issuer, audience, clockTolerance, transport, cookies, csrf, trustedOrigins } = given;
  return fillIn({ accessToken: { issuer, audience, clockTolerance }, transport, cookies, csrf, trustedOrigins });
}
