import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isUuid } from '../common/uuid.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { SessionRevokedError } from '../session.errors.js';
import type { ListOptions } from '../session.interfaces.js';
import {
  type Device,
  type SessionClaims,
  type SessionData,
  type SessionExport,
  UserSession,
} from '../session.types.js';
import { PersonalDataStore } from '../store/personal-data.store.js';
import { SessionStore } from '../store/session.store.js';
import { Announcements } from '../revocation/announcements.js';
import { DeviceLabels } from './device-labels.js';
import { checkClaims, checkJson, checkUserId } from './input-checks.js';
import { SessionTokens } from './session-tokens.js';

/** Reads and changes what the database keeps of live sessions. */
@Injectable()
export class SessionRecords {
  private readonly labels = new DeviceLabels();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: SessionStore,
    private readonly personalData: PersonalDataStore,
    private readonly tokens: SessionTokens,
    private readonly announcements: Announcements,
  ) {}

  async list(userId: string, { impersonations = false }: ListOptions = {}): Promise<Device[]> {
    checkUserId(userId);
    const devices = await this.store.list(userId, impersonations === true);
    return Promise.all(
      devices.map(async device => ({
        ...device,
        label: device.label ?? (await this.labels.labelOf(device.userAgent)),
      })),
    );
  }

  async export(userId: string): Promise<SessionExport[]> {
    checkUserId(userId);
    return this.personalData.export(userId);
  }

  async get(sessionId: string): Promise<UserSession | null> {
    const row = isUuid(sessionId) ? await this.store.get(sessionId) : undefined;
    if (!row) return null;
    return new UserSession({
      id: row.id,
      userId: row.user_id,
      claims: row.claims,
      authenticatedAt: new Date(row.authenticated_ms),
      expiresAt: new Date(row.expires_ms),
      boundBy: row.bound_by ?? undefined,
      actor: row.actor ? { userId: row.actor.userId, sessionId: row.actor.sessionId } : undefined,
    });
  }

  /** @throws SessionRevokedError when there is no such live session */
  async getData(sessionId: string, manager?: EntityManager): Promise<SessionData | null> {
    const found = isUuid(sessionId) ? await this.store.getData(sessionId, manager) : undefined;
    if (!found) throw new SessionRevokedError();
    return found.data;
  }

  /** @throws SessionUsageError, SessionRevokedError */
  async setData(sessionId: string, data: SessionData, manager?: EntityManager): Promise<void> {
    checkJson(data, 'data');
    const written = isUuid(sessionId) && (await this.store.setData(sessionId, data, manager));
    if (!written) throw new SessionRevokedError();
  }

  /**
   * Replaces the claims, and invalidates the access tokens that have the former ones.
   *
   * @throws SessionUsageError, SessionRevokedError
   */
  async setClaims(sessionId: string, claims: SessionClaims, manager?: EntityManager): Promise<void> {
    if (!isUuid(sessionId)) throw new SessionRevokedError();
    checkClaims(claims);
    const former = await this.store.get(sessionId, manager);
    if (!former) throw new SessionRevokedError();
    const transport = this.options.transport === 'bearer' ? 'bearer' : 'cookie';
    this.tokens.requireIssuable(former.user_id, claims, transport, former.actor);
    const version = await this.store.setClaims(sessionId, claims, manager);
    if (version === undefined) throw new SessionRevokedError();
    this.announcements.committed(manager, { claims: [{ id: sessionId, version }] });
  }
}
