import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { JwksRoute } from './http/jwks-route.js';
import { KeyRotation } from './keys/key-rotation.js';
import { requireOneModule } from './common/one-module.js';
import { ResolvedSessionOptions } from './options/resolve-options.js';
import type { SessionModuleExtras } from './options/static-options.js';
import { SESSION_MODULE_CLASS, SESSION_MODULE_EXTRAS } from './session.constants.js';
import { SessionEvents } from './session.events.js';
import { RevocationFeed } from './revocation/revocation-feed.js';
import { SchemaCheck } from './store/schema-check.js';
import { SessionHttp } from './http/session-http.js';

/** What happens at start and at the end, in order. */
@Injectable()
export class SessionLifecycle implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger('SessionModule');

  constructor(
    private readonly options: ResolvedSessionOptions,
    @Inject(SESSION_MODULE_EXTRAS) private readonly extras: SessionModuleExtras,
    @Inject(SESSION_MODULE_CLASS) private readonly moduleClass: object,
    private readonly modules: ModulesContainer,
    private readonly host: HttpAdapterHost,
    private readonly schema: SchemaCheck,
    private readonly rotation: KeyRotation,
    private readonly feed: RevocationFeed,
    private readonly http: SessionHttp,
    private readonly jwks: JwksRoute,
    private readonly events: SessionEvents,
  ) {}

  /** @throws Error when the application imports the module twice; asked before anything is mounted */
  requireOneModule(): void {
    requireOneModule(this.modules, 'SessionModule', this.moduleClass);
  }

  async onModuleInit(): Promise<void> {
    this.requireOneModule();
    await this.schema.run();
    await this.rotation.start();
    await this.feed.start();
    this.announce();
  }

  async onModuleDestroy(): Promise<void> {
    this.rotation.stop();
    await this.feed.stop();
  }

  /** Nest calls it after those of all providers, whose last events are delivered. */
  beforeApplicationShutdown(): void {
    this.events.complete();
  }

  private announce(): void {
    const { transport, accessToken, cookies, csrf, revocation } = this.options;
    const { controller } = this.extras;
    const mounted = controller && this.host?.httpAdapter ? this.http.cookies.refreshPath : 'not mounted';
    this.logger.log(
      `sessions at ${mounted}, transport ${transport}, ${accessToken.algorithm}, revocation ${revocation.mode}${revocation.mode === 'live' ? ` (${revocation.feed})` : ''}, public keys at ${this.jwks.path ?? 'not mounted'}`,
    );
    if (transport === 'bearer') return;
    if (!cookies.secure) this.logger.warn('cookies are not Secure: for development on plain http only');
    if (csrf === 'off') this.logger.warn("csrf is off: pages of other sites can act with a user's cookies");
  }
}
