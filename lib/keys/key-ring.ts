import { Injectable, Logger } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { signingKey, verifyingKeys } from '../rules/key-periods.js';
import { SessionError, SessionStoreUnavailableError } from '../session.errors.js';
import { SessionClock } from '../common/clock.js';
import { KeySource, type RingKey } from './key-source.js';
import { VerificationKeys } from './verification-keys.js';

/** An unknown `kid` reloads the keys, but not more often than this: made-up ones must not become queries. */
const RELOAD_INTERVAL = 1_000;

/** The signing keys in memory. */
@Injectable()
export class KeyRing extends VerificationKeys {
  private readonly logger = new Logger('SessionKeys');
  private keys: readonly RingKey[] = [];
  private readonly distrusted = new Set<string>();
  private reloadedAt = -Infinity;
  private reloading?: Promise<void>;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly source: KeySource,
    private readonly clock: SessionClock,
  ) {
    super();
  }

  /** Reads the keys again. */
  async reload(): Promise<void> {
    const keys = await this.source.load(new Map(this.keys.map(key => [key.kid, key])));
    this.keys = keys.filter(({ kid }) => !this.distrusted.has(kid));
  }

  /** The keys of the configured algorithm. */
  get candidates(): readonly RingKey[] {
    return this.keys.filter(({ algorithm }) => algorithm === this.options.accessToken.algorithm);
  }

  /** The key that signs now, if any. */
  get current(): RingKey | undefined {
    return signingKey(this.candidates, this.clock.now());
  }

  /** @throws SessionStoreUnavailableError while there is none */
  get signing(): RingKey {
    const key = this.current;
    if (!key) throw new SessionStoreUnavailableError('There is no signing key at the moment: try again');
    return key;
  }

  /** The keys whose tokens count, and that the JWKS shows: each once, however many periods it serves. */
  get verifying(): RingKey[] {
    const keys = verifyingKeys(this.keys, this.clock.now());
    return keys.filter(({ kid }, index) => keys.findIndex(key => key.kid === kid) === index);
  }

  /** Whether tokens of this key still count. Asked on every request, so it makes no array. */
  accepts(kid: string, now: number): boolean {
    return this.keys.some(key => key.kid === kid && now < key.retireAt);
  }

  /** Whether this process has heard that the key is distrusted; one that has only retired is not. */
  isDistrusted(kid: string): boolean {
    return this.distrusted.has(kid);
  }

  /** The key of a token's `kid`; one that is not known may have been made by another process a moment ago. */
  override async find(kid: string): Promise<RingKey | undefined> {
    return this.lookUp(kid) ?? (await this.findAfterReload(kid));
  }

  /**
   * Takes distrusted keys out of use for good; a reload that was under way must not bring them back.
   *
   * @returns whether any was in use
   */
  forget(kids: readonly string[]): boolean {
    for (const kid of kids) this.distrusted.add(kid);
    const kept = this.keys.filter(({ kid }) => !this.distrusted.has(kid));
    const changed = kept.length < this.keys.length;
    this.keys = kept;
    return changed;
  }

  private lookUp(kid: string): RingKey | undefined {
    return this.verifying.find(key => key.kid === kid);
  }

  private async findAfterReload(kid: string): Promise<RingKey | undefined> {
    const now = this.clock.now();
    if (!this.reloading && Math.abs(now - this.reloadedAt) >= RELOAD_INTERVAL) {
      this.reloadedAt = now;
      this.reloading = this.reloadForToken().finally(() => (this.reloading = undefined));
    }
    await this.reloading;
    return this.lookUp(kid);
  }

  private async reloadForToken(): Promise<void> {
    try {
      await this.reload();
    } catch (error) {
      if (error instanceof SessionError) throw error;
      // What the application's own function says of its keys is for the log, not for whoever has sent a token.
      this.logger.error(error instanceof Error ? error.message : String(error));
      throw new SessionStoreUnavailableError();
    }
  }
}
