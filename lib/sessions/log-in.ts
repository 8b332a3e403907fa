import { HttpStatus, Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { clientFrom, type ClientInfo, clientOf, storedAddress } from '../common/client-address.js';
import { SessionOptionsError } from '../common/option-mistakes.js';
import { randomBytes } from '../common/random.js';
import { isUuid } from '../common/uuid.js';
import { RequestSession } from '../http/request-session.js';
import type { SessionExchange } from '../http/exchange.js';
import { SessionHttp } from '../http/session-http.js';
import { sessionOf } from '../http/session-of.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { DEVICE_TOKEN_BYTES, DeviceTokens } from '../rules/device-tokens.js';
import type { SessionKey } from '../rules/session-key.js';
import {
  KeyProofInvalidError,
  NotWhileImpersonatingError,
  REPLACED,
  SessionLimitReachedError,
  SessionRevokedError,
  SessionStoreUnavailableError,
  SessionUsageError,
} from '../session.errors.js';
import type { LogInOptions } from '../session.interfaces.js';
import type { IssuedTokens, TokenTransport, UserSession } from '../session.types.js';
import {
  type CreatedSession,
  type FoundDevice,
  type NewSession,
  type RenewedSession,
  SessionStore,
} from '../store/session.store.js';
import type { SessionRow } from '../store/sql-fragments.js';
import { Announcements } from '../revocation/announcements.js';
import { Admission } from './admission.js';
import { ClaimsHook } from './claims-hook.js';
import { DeviceLabels } from './device-labels.js';
import { checkClient, checkLogIn, lifetimesOf } from './input-checks.js';
import { type HashedToken, type Recipient, SessionTokens } from './session-tokens.js';

/** How often a renewal starts again when the session changes while its claims are asked for. */
const MAX_ATTEMPTS = 3;

type LogInDevice = Pick<IssuedTokens, 'newDevice' | 'deviceToken'>;

/** Begins sessions. */
@Injectable()
export class SessionIssuer implements OnModuleInit {
  private readonly labels = new DeviceLabels();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly http: SessionHttp,
    private readonly requestSession: RequestSession,
    private readonly store: SessionStore,
    private readonly tokens: SessionTokens,
    private readonly claimsHook: ClaimsHook,
    private readonly announcements: Announcements,
    private readonly admission: Admission,
  ) {}

  /** @throws SessionOptionsError where labels are to be stored and the package that makes them is missing */
  async onModuleInit(): Promise<void> {
    if (this.storesLabels && !(await this.labels.isAble())) {
      throw new SessionOptionsError([
        'option "devices.userAgent": \'label\' needs the package bowser: run "npm install bowser", or write \'none\'',
      ]);
    }
  }

  private get storesLabels(): boolean {
    return this.options.devices.userAgent === 'label';
  }

  /** The session that came with the request ends, and the new one has a new id, which prevents session fixation. */
  logIn(userId: string, options: LogInOptions): Promise<IssuedTokens> {
    return this.admit(options, () => this.logInNow(userId, options));
  }

  private async logInNow(userId: string, options: LogInOptions): Promise<IssuedTokens> {
    const { exchange, crossSite, claims = {}, manager } = options;
    checkLogIn(userId, options);
    // A guarded route that logs in again would turn the impersonation into a session of the user's own.
    if (exchange && sessionOf(exchange.request)?.actor) throw new NotWhileImpersonatingError();
    const transport = exchange ? (options.transport ?? this.http.transportForLogIn(exchange)) : 'bearer';
    if (exchange && transport === 'cookie') this.checkPage(exchange, crossSite);
    const cookies = exchange && this.http.readRefreshCookies(exchange);
    const replaces = exchange && (await this.requestSession.find(exchange, cookies)).sessionId;
    // The hook replaces the claims that are given here.
    this.tokens.requireIssuable(userId, this.claimsHook.isUsed ? {} : claims, transport);
    const key = this.keyFor(exchange, transport);
    const { session, client, refreshToken } = this.begin(userId, options, key);
    session.label ??= await this.labelFor(client);
    // A login without an exchange is the application's own: no client can have given it up.
    if (exchange) this.admission.requireTimely(exchange);
    const devices = this.devicesOf(options);
    const device = devices && { deviceHashes: devices.deviceHashes, newDeviceHash: devices.newDeviceHash };
    const created = await this.create({ ...session, claims, replaces, device }, manager);
    this.announceEnded(created, replaces, manager);
    const row = await this.askForClaims(created.row, transport, manager);
    const recipient = { client, exchange, transport, key, replaces: replaces !== undefined };
    const delivered = created.device && this.deliverDevice(devices!, created.device, recipient);
    return this.issue(row, refreshToken, recipient, manager, delivered);
  }

  /**
   * A new session in the place of one whose user has just proved again who they are. It keeps claims, data and label.
   * The hook is asked first, so that nothing has changed when it fails. One statement then ends the former session and
   * copies it, so that a log-out, new claims or an invalidation since are not undone.
   */
  reauthenticate(session: Pick<UserSession, 'id' | 'userId'>, options: LogInOptions): Promise<IssuedTokens> {
    return this.admit(options, () => this.reauthenticateNow(session, options));
  }

  private async reauthenticateNow(
    { id, userId }: Pick<UserSession, 'id' | 'userId'>,
    options: LogInOptions,
  ): Promise<IssuedTokens> {
    const { exchange, manager } = options;
    checkLogIn(userId, options);
    const transport = exchange ? (options.transport ?? this.http.transportForSession(exchange)) : 'bearer';
    const key = this.keyFor(exchange, transport);
    const { session, client, refreshToken } = this.begin(userId, options, key);
    if (exchange) this.admission.requireTimely(exchange);
    const created = await this.renew({ ...session, claims: options.claims, replaces: id }, transport, manager);
    this.announceEnded(created, id, manager);
    return this.issue(created.row, refreshToken, { client, exchange, transport, key }, manager);
  }

  /** In its turn; a log-in within a transaction holds a connection that others may wait for, and does not wait. */
  async admit<T>({ exchange, manager }: LogInOptions, task: () => Promise<T>): Promise<T> {
    try {
      return await this.admission.load.run(task, manager !== undefined);
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }

  private async renew(
    session: RenewedSession,
    transport: TokenTransport,
    manager: EntityManager | undefined,
  ): Promise<CreatedSession> {
    const { userId, replaces: id } = session;
    const { isUsed } = this.claimsHook;
    const isLimited = this.options.session.maxPerUser !== undefined;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const former = isUuid(id) ? await this.store.get(id, manager) : undefined;
      if (!former || former.user_id !== userId) throw new SessionRevokedError();
      if (former.actor) throw new NotWhileImpersonatingError();
      const given = session.claims ?? former.claims;
      const claims = isUsed
        ? await this.claimsHook.ask({ userId, sessionId: id, claims: given }, { manager })
        : session.claims;
      this.tokens.requireIssuable(userId, claims ?? given, transport);
      const seen = isUsed ? former : undefined;
      const created = await this.store.reauthenticate({ ...session, claims }, isLimited, seen, manager);
      if (created) return created;
    }
    throw new SessionStoreUnavailableError('The session is being changed by too many requests at once: try again');
  }

  /** The label that is stored in place of the user agent, where the options say so. */
  async labelFor({ userAgent }: ClientInfo): Promise<string | undefined> {
    return this.storesLabels ? ((await this.labels.labelOf(userAgent)) ?? undefined) : undefined;
  }

  /** Whether the page may log in, and its browser keeps the cookies. */
  private checkPage(exchange: SessionExchange, crossSite = false): void {
    if (!crossSite) this.http.csrf.checkLogInOrigin(exchange);
    this.http.cookies.requireKept(exchange);
  }

  /** The key that the session of a bearer client is bound to: that of the proof which came with the login (DPoP). */
  keyFor(exchange: SessionExchange | undefined, transport: TokenTransport): SessionKey | undefined {
    const { key: wish } = this.options.binding;
    if (wish === 'off' || transport !== 'bearer') return undefined;
    const key = exchange && this.http.dpop.readKey(exchange);
    if (key || wish === 'prefer') return key;
    throw new KeyProofInvalidError(
      'Sessions here are bound to a key: send a proof in the header DPoP with the login (RFC 9449)',
      HttpStatus.BAD_REQUEST,
    );
  }

  /** The id, the first refresh token and the columns of a new session. */
  begin(userId: string, options: LogInOptions, key: SessionKey | undefined) {
    const { exchange, data, label, ip, userAgent } = options;
    const client = exchange ? clientOf(exchange) : clientFrom({ ip, userAgent });
    checkClient(client, this.options.binding, exchange !== undefined);
    const refreshToken = this.tokens.first(userId);
    const { token, hash: tokenHash } = refreshToken;
    const { remember, idleLifetime, absoluteLifetime } = lifetimesOf(options, this.options);
    const session = {
      id: token.sessionId,
      userId,
      tokenHash,
      data,
      label,
      ip: storedAddress(client.ip, this.options.devices.ip),
      userAgent: client.userAgent,
      keyThumbprint: key?.thumbprint,
      remember,
      idleLifetime,
      absoluteLifetime,
    };
    return { session, client, refreshToken };
  }

  private async create(session: NewSession, manager: EntityManager | undefined): Promise<CreatedSession> {
    const { maxPerUser, onLimit } = this.options.session;
    if (maxPerUser === undefined) return this.store.create(session, manager);
    const limit = { most: maxPerUser, evict: onLimit === 'evict-oldest' };
    const created = await this.store.createWithin(limit, session, manager);
    if (!created) throw new SessionLimitReachedError();
    return created;
  }

  private announceEnded(
    { ended }: CreatedSession,
    replaces: string | undefined,
    manager: EntityManager | undefined,
  ): void {
    this.announcements.committed(manager, {
      sessions: ended,
      notLive: replaces === undefined ? undefined : { id: replaces, reason: REPLACED },
    });
  }

  private async issue(
    row: SessionRow,
    refreshToken: HashedToken,
    recipient: Recipient,
    manager: EntityManager | undefined,
    device?: LogInDevice,
  ): Promise<IssuedTokens> {
    const issued = await this.tokens.issue(row, refreshToken, true, recipient);
    const { key, exchange, transport, client } = recipient;
    // Browsers keep keys when they are closed, and a login that is not to be remembered ends then.
    const isRemembered = row.remember !== false;
    if (exchange && transport === 'cookie' && isRemembered) this.http.dbsc!.offer(exchange, row.id);
    const session = { sessionId: row.id, userId: row.user_id };
    this.announcements.committed(manager, {
      event: {
        type: 'session.created',
        ...session,
        ...this.eventOf(client),
        ...(device && { newDevice: device.newDevice }),
      },
    });
    if (key) this.announcements.committed(manager, { event: { type: 'session.bound', ...session, kind: key.kind } });
    return device ? { ...issued, ...device } : issued;
  }

  /** What may be stored of a client may be told by an event, which subscribers store. */
  private eventOf(client: ClientInfo): { ip?: string; userAgent?: string } {
    const { devices } = this.options;
    const ip = storedAddress(client.ip, devices.ip);
    const userAgent = devices.userAgent === 'full' ? client.userAgent : undefined;
    return { ...(ip === undefined ? {} : { ip }), ...(userAgent === undefined ? {} : { userAgent }) };
  }

  /** The device tokens of a login that recognises devices. Without a request there are none. */
  private devicesOf({ exchange, recognise = this.options.devices.recognise }: LogInOptions): DeviceTokens | undefined {
    if (!exchange || !recognise) return undefined;
    if (this.options.distributed) throw new SessionUsageError('"recognise" does not work with "distributed"');
    return new DeviceTokens(this.http.devices.read(exchange), randomBytes(DEVICE_TOKEN_BYTES));
  }

  /** Gives the client the list of its tokens, the one of the user first. */
  private deliverDevice(
    tokens: DeviceTokens,
    { known, hasOthers }: FoundDevice,
    { exchange, transport }: Recipient,
  ): LogInDevice {
    const list = tokens.listAfter(known);
    // Without other devices it is the user's first login, which is no reason for an alarm.
    const newDevice = known === null && hasOthers;
    if (transport === 'bearer') return { newDevice, deviceToken: list };
    this.http.devices.setCookie(exchange!, list);
    return { newDevice };
  }

  /** The row with the claims that the hook gives; a new row is removed where it fails. */
  async askForClaims(
    row: SessionRow,
    transport: TokenTransport,
    manager: EntityManager | undefined,
  ): Promise<SessionRow> {
    if (!this.claimsHook.isUsed) return row;
    try {
      return await this.claimsHook.apply(row, transport, { manager, isNew: true });
    } catch (error) {
      // If this fails, the store logs it. The row remains, but no client has a token of it.
      await this.store.discard(row, manager).catch(() => undefined);
      throw error;
    }
  }
}
