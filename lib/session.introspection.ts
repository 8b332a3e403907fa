import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Header,
  HttpCode,
  Inject,
  Injectable,
  Post,
  type Type,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { AccessTokens } from './access-token/access-tokens.js';
import { Public } from './decorators/access.decorators.js';
import { Exchange } from './decorators/exchange.decorator.js';
import { RefusalInterceptor } from './decorators/refusal.interceptor.js';
import { DEFAULT_EXTRAS } from './options/session-options.defaults.js';
import type { SessionModuleExtras } from './options/session-options.js';
import { SESSION_MODULE_EXTRAS } from './session.constants.js';
import { InvalidRequestError, SessionError, SessionStoreUnavailableError } from './session.errors.js';
import { SessionExchange } from './transport/exchange.js';

/** Runs the guard of option `verify`: the application's own instance where it provides one, else one made here. */
@Injectable()
export class CallerGuard implements CanActivate {
  private guard?: Promise<CanActivate>;

  constructor(
    @Inject(SESSION_MODULE_EXTRAS) private readonly extras: SessionModuleExtras,
    private readonly moduleRef: ModuleRef,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    this.guard ??= this.resolve(this.extras.verify!.guard);
    const answer = (await this.guard).canActivate(context);
    if (typeof answer === 'boolean' || answer instanceof Promise) return answer;
    return new Promise((resolve, reject) => answer.subscribe({ next: resolve, error: reject }));
  }

  private async resolve(guard: Type<CanActivate>): Promise<CanActivate> {
    try {
      return this.moduleRef.get(guard, { strict: false });
    } catch {
      // The application does not provide it.
      return this.moduleRef.create(guard);
    }
  }
}

/**
 * Tells other services whether an access token counts (RFC 7662), for those that cannot verify it on their own or must know
 * of log-outs at once. Mounted only where option `verify` names the guard that says who may ask.
 */
@UseGuards(CallerGuard)
@UseInterceptors(RefusalInterceptor)
export class IntrospectionController {
  constructor(@Inject(AccessTokens) private readonly accessTokens: AccessTokens) {}

  /** Form or JSON with `token`. Whatever is wrong with the token, nothing but `active: false` is told of it. */
  @Post()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Public()
  async introspect(@Exchange() exchange: SessionExchange): Promise<Record<string, unknown>> {
    const token = exchange.bodyMember('token');
    if (typeof token !== 'string') {
      throw new InvalidRequestError('Send the access token as "token", in a form or as JSON');
    }
    try {
      const { session, registered } = await this.accessTokens.accept(token);
      const { iss, aud, sub, sid, jti, iat, exp, auth_time } = registered;
      const told = { active: true, token_type: 'Bearer', iss, aud, sub, sid, jti, iat, exp, auth_time };
      return { ...session.claims, ...told };
    } catch (error) {
      // That nobody knows at the moment is no answer about the token.
      if (!(error instanceof SessionError) || error instanceof SessionStoreUnavailableError) throw error;
      return { active: false };
    }
  }
}

/** The controller at the path of option `verify`. */
export function introspectionAt({ verify, controller }: SessionModuleExtras): Type<IntrospectionController>[] {
  if (!verify) return [];
  const path = verify.path ?? `${(controller || DEFAULT_EXTRAS.controller).path}/verify`;

  @Controller({ path, version: VERSION_NEUTRAL })
  class MountedIntrospectionController extends IntrospectionController {}
  return [MountedIntrospectionController];
}
