import { Header, HttpCode, Inject, Injectable, Post, type Type, UseGuards, UseInterceptors } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { VerifiedToken } from '../tokens/access-token.claims.js';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';
import { AcceptsEmptyBodies } from '../common/empty-bodies.js';
import { Public } from './access.decorators.js';
import { CallerGuard } from './caller-guard.js';
import { Exchange } from './exchange.decorator.js';
import { SessionErrorInterceptor } from './session-error.interceptor.js';
import { SESSION_PATH } from '../options/static-options.js';
import type { SessionModuleExtras } from '../options/static-options.js';
import { InvalidRequestError, SessionError, SessionStoreUnavailableError } from '../session.errors.js';
import { SessionExchange } from './exchange.js';
import { IntrospectionResponse } from './responses.js';
import { REFUSALS, SessionRoute } from './session-routes.js';
import { mountedAt } from '../common/mounted-at.js';

@Injectable()
class IntrospectionCallers extends CallerGuard {
  protected readonly option = 'verify';
}

/**
 * Tells other services whether an access token is active (RFC 7662): services that cannot verify it themselves, or that
 * must learn of log-outs at once. Mounted only if option `verify` names a guard that decides who may ask.
 */
@UseGuards(IntrospectionCallers)
@UseInterceptors(SessionErrorInterceptor)
@AcceptsEmptyBodies()
export class IntrospectionController {
  constructor(
    @Inject(AccessTokenAuthenticator) private readonly accessTokens: AccessTokenAuthenticator,
    @Inject(ResolvedSessionOptions) private readonly options: ResolvedSessionOptions,
  ) {}

  /**
   * Takes a form or JSON with `token`. The answer for any token that is not active is `active: false`, without a
   * reason.
   */
  @SessionRoute({
    summary: 'Whether an access token is active (RFC 7662)',
    body: { token: { type: 'string' } },
    status: 200,
    answer: IntrospectionResponse,
    refusals: REFUSALS.introspect,
  })
  @Post()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Public()
  async introspect(@Exchange() exchange: SessionExchange): Promise<IntrospectionResponse> {
    const token = exchange.bodyMember('token');
    if (typeof token !== 'string') {
      throw new InvalidRequestError('Send the access token as "token", in a form or as JSON');
    }
    try {
      const session = await this.accessTokens.authenticate(token);
      const { jti, iat, exp, jkt, actor } = VerifiedToken.of(session)!;
      // No other issuer and audience is accepted.
      const { issuer: iss, audience: aud } = this.options.accessToken;
      const auth_time = session.authenticatedAt.getTime() / 1000;
      const { id: sid, userId: sub } = session;
      const standard = {
        active: true,
        token_type: jkt === undefined ? 'Bearer' : 'DPoP',
        iss,
        aud,
        sub,
        sid,
        jti,
        iat,
        exp,
        auth_time,
      };
      // The caller checks the proof (RFC 9449, section 6.2).
      if (jkt !== undefined) Object.assign(standard, { cnf: { jkt } });
      if (actor) Object.assign(standard, { act: { sub: actor.userId, sid: actor.sessionId } });
      return { ...session.claims, ...standard };
    } catch (error) {
      // A store outage says nothing about the token, so it is not reported as inactive.
      if (!(error instanceof SessionError) || error instanceof SessionStoreUnavailableError) throw error;
      return { active: false };
    }
  }
}

/** The controller at the path of option `verify`. */
export function introspectionAt({ verify, controller }: SessionModuleExtras): Type<IntrospectionController>[] {
  if (!verify) return [];
  const path = verify.path ?? `${controller ? controller.path : SESSION_PATH}/verify`;
  return [mountedAt(IntrospectionController, path)];
}
