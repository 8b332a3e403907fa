import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { JwksRoute } from '../http/jwks-route.js';
import { KeyRoute } from '../http/key-route.js';
import { SessionHttp } from '../http/session-http.js';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { SessionModuleExtras } from '../options/static-options.js';
import { SESSION_MODULE_EXTRAS } from '../session.constants.js';
import { DbscSessions } from './dbsc.js';

/** The routes that lie on the HTTP adapter itself. */
@Injectable()
export class AdapterRoutes {
  readonly jwks: JwksRoute;
  private readonly key: KeyRoute;

  constructor(
    @Inject(SESSION_MODULE_EXTRAS) extras: SessionModuleExtras,
    options: ResolvedSessionOptions,
    keys: KeyRing,
    host: HttpAdapterHost,
    http: SessionHttp,
    dbsc: DbscSessions,
  ) {
    this.jwks = new JwksRoute(extras, options, keys, host);
    this.key = new KeyRoute(http, host, exchange => dbsc.answer(exchange));
  }

  mount(): void {
    this.jwks.mount();
    this.key.mount();
  }
}
