import { Injectable } from '@nestjs/common';
import { isUuid } from '../common/uuid.js';
import type { SessionExchange } from '../http/exchange.js';
import { SessionHttp } from '../http/session-http.js';
import { deviceHashesOf } from '../rules/device-tokens.js';
import type { ForgetDevicesOptions } from '../session.interfaces.js';
import type { KnownDevice } from '../session.types.js';
import { Database } from '../store/database.js';
import { KnownDeviceStore } from '../store/known-device.store.js';
import { checkUserId } from './input-checks.js';

/**
 * The devices on which users have logged in, where the option `devices.recognise` or the login's own asks for it. A device
 * that is recognised proves nothing else: a login there needs what every login needs. Applications inject this class.
 */
@Injectable()
export class KnownDevices {
  private readonly store: KnownDeviceStore;

  /** @internal Nest makes it. */
  constructor(
    private readonly http: SessionHttp,
    database: Database,
  ) {
    this.store = new KnownDeviceStore(database);
  }

  /**
   * An id of the device that has sent a request, if the user has logged in on it within a year; else null. Count wrong
   * passwords of known devices by it, so that those of strangers do not keep the user out. One statement, none for a
   * request without a device token.
   *
   * @throws SessionStoreUnavailableError
   */
  async recognise(userId: string, exchange: SessionExchange): Promise<string | null> {
    checkUserId(userId);
    const hashes = this.hashesOf(exchange);
    const known = hashes.length > 0 ? await this.store.find(userId, hashes) : undefined;
    return known?.toString('base64url') ?? null;
  }

  /** The known devices of a user, the last seen first. One statement. */
  async list(userId: string): Promise<KnownDevice[]> {
    checkUserId(userId);
    return this.store.list(userId);
  }

  /**
   * Forgets devices of a user: all of them, all but one, or that of a session. The next login there is one on a new
   * device, unless no other device of the user is known. It ends no session. Returns how many there were. One statement.
   *
   * @throws SessionStoreUnavailableError
   */
  async forget(userId: string, { sessionId, except, manager }: ForgetDevicesOptions = {}): Promise<number> {
    checkUserId(userId);
    if (sessionId !== undefined && !isUuid(sessionId)) return 0;
    return this.store.forget(userId, sessionId, except ? this.hashesOf(except) : [], manager);
  }

  private hashesOf(exchange: SessionExchange): Buffer[] {
    return deviceHashesOf(this.http.devices.read(exchange));
  }
}
