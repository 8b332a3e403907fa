import { Injectable, Logger } from '@nestjs/common';
import { type ClientInfo, clientOf } from '../common/client-address.js';
import { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import { uuidV7 } from '../common/uuid.js';
import type { SessionExchange } from '../http/exchange.js';
import { SessionHttp } from '../http/session-http.js';
import { KeyRing } from '../keys/key-ring.js';
import { ServerSecrets } from '../keys/server-secrets.js';
import { bucketOfUser } from '../rules/bucket.js';
import {
  deriveSuccessor,
  encodeRefreshToken,
  hashOf,
  newSalt,
  type RefreshToken,
  SALT_BYTES,
  SECRET_BYTES,
} from '../rules/refresh-token.js';
import type { SessionKey } from '../rules/session-key.js';
import { SessionStoreUnavailableError } from '../session.errors.js';
import type { IssuedTokens, SessionActor, SessionClaims, TokenTransport } from '../session.types.js';
import type { ProvedRow } from '../store/rotation.store.js';
import type { SessionRow } from '../store/sql-fragments.js';
import { AccessTokenSigner } from '../tokens/access-token-signer.js';

/** A refresh token, and the hash of its secret that the database keeps. */
export interface HashedToken {
  readonly token: RefreshToken;
  readonly hash: Buffer;
}

/** A new successor, and the salt that derives it from its parent. */
export interface SuccessorToken extends HashedToken {
  readonly salt: Buffer;
}

/** The destination of tokens. */
export interface Recipient {
  /** The client that tokens are bound to, where they are bound. */
  readonly client: ClientInfo;
  /** Left out where the tokens are returned to the application. */
  readonly exchange?: SessionExchange;
  readonly transport: TokenTransport;
  /** The key that the session is bound to. */
  readonly key?: SessionKey;
  /** Whether another session came with the request, which ends. */
  readonly replaces?: boolean;
}

/** Makes the tokens of sessions and hands them to the client. */
@Injectable()
export class SessionTokens {
  private readonly logger = new Logger('SessionRotation');

  constructor(
    private readonly secrets: ServerSecrets,
    private readonly keys: KeyRing,
    private readonly signer: AccessTokenSigner,
    private readonly http: SessionHttp,
    private readonly clock: SessionClock,
  ) {}

  /**
   * Checks that an access token with these claims can be signed and sent.
   *
   * @throws SessionUsageError for claims that make it too long
   * @throws SessionStoreUnavailableError while there is no signing key
   */
  requireIssuable(userId: string, claims: SessionClaims, transport: TokenTransport, actor?: SessionActor | null): void {
    this.keys.requireSigningKey();
    this.http.requireFit(this.signer.lengthWith(userId, claims, actor), transport);
  }

  /** The first refresh token of a new session of the user, with the id of that. */
  first(userId: string): HashedToken {
    const secret = randomBytes(SECRET_BYTES);
    const sessionId = uuidV7(this.clock.now(), bucketOfUser(userId));
    return { token: { sessionId, generation: 0, secret }, hash: hashOf(secret) };
  }

  /** A new child of the token: the next one has another salt, and so another secret. */
  newSuccessor(parent: RefreshToken): SuccessorToken {
    const { newest } = this.secrets;
    const salt = newSalt(newest, randomBytes(SALT_BYTES));
    const token = deriveSuccessor(parent, salt, [newest])!;
    return { salt, token, hash: hashOf(token.secret) };
  }

  /**
   * The child that was made with this salt before.
   *
   * @throws SessionStoreUnavailableError where it was made under a secret that this process does not have
   */
  knownSuccessor(parent: RefreshToken, salt?: Buffer | null, hash?: Buffer | null): HashedToken {
    const token = salt && deriveSuccessor(parent, salt, this.secrets.accepted);
    if (token && hash?.equals(hashOf(token.secret))) return { token, hash };
    // After the window this process mints a successor of its own.
    this.logger.error(
      'a refresh token was derived under a secret that this process does not hold: write it into "secret"',
    );
    throw new SessionStoreUnavailableError();
  }

  /**
   * Signs an access token, and delivers it with the refresh token.
   *
   * @param isNew whether the client does not have this refresh token yet
   */
  async issue(
    row: SessionRow,
    { token, hash }: HashedToken,
    isNew: boolean,
    { client, exchange, transport, key, replaces }: Recipient,
  ): Promise<IssuedTokens> {
    const access = await this.signer.sign(row, { generation: token.generation, hash }, client, key);
    const refreshToken = encodeRefreshToken(token, this.secrets.newest);
    const isRemembered = row.remember !== false;
    return this.http.deliver({ access, refreshToken, isNew, isRemembered, exchange, transport, replaces });
  }

  /** Signs an access token for a browser that proves the key of its session, and sets it as a cookie. */
  async issueBound(row: ProvedRow, key: SessionKey, exchange: SessionExchange): Promise<void> {
    const branch = { generation: row.generation, hash: row.token_hash };
    this.http.dbsc!.deliver(exchange, await this.signer.sign(row, branch, clientOf(exchange), key));
  }
}
