import { Injectable } from '@nestjs/common';
import type { Socket } from 'node:net';
import { SessionTimers } from '../common/clock.js';
import { Database } from './database.js';
import type { OwnConnection } from './pooled-query.js';
import type { HmacKey } from '../rules/hmac-key.js';
import { statement } from '../common/statement.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { RevocationAnnouncer } from '../options/revocation-announcer.js';
import type { Announcement } from '../rules/revocation-state.js';
import { AnnouncementQueue } from './announcement-queue.js';

/** A network may drop everything without closing the connection. */
const TIMEOUT_MS = 5_000;

/** How long the server may take to confirm the end of a connection. */
const GOODBYE_TIMEOUT_MS = 500;

/** A connection that listens. */
export interface Listening {
  close(): Promise<void>;
}

const TABLE_ID = statement<{ table: string }, { id: string }>(
  'jwt_session_table_id',
  'SELECT to_regclass(:table)::oid::text AS id',
);

/**
 * Sends and receives notifications: PostgreSQL's, which statements send, or those of option `revocation.announcer`. The
 * channels' names come from the server secrets and from the table itself: a role that may only connect cannot guess
 * them, and applications whose `search_path` leads to other tables have others.
 */
@Injectable()
export class Notifications {
  private channels: readonly string[] = [];
  private readonly announcer?: RevocationAnnouncer;
  private queue?: AnnouncementQueue;

  constructor(
    { revocation }: ResolvedSessionOptions,
    private readonly database: Database,
    private readonly timers: SessionTimers,
  ) {
    if (revocation.mode === 'live') this.announcer = revocation.announcer;
  }

  /** The id that this process's own notifications carry. */
  get processId(): string {
    return this.database.processId;
  }

  /**
   * Chooses the channels. Statements send on the first one from now on.
   *
   * @param keys a key of each server secret, the newest first
   */
  async open(keys: readonly HmacKey[]): Promise<void> {
    const [table] = await this.database.query(TABLE_ID, { table: this.database.tables.session });
    this.channels = keys.map(key => `jwt_session_${key.digest(Buffer.from(table!.id)).toString('hex', 0, 16)}`);
    const [channel] = this.channels;
    if (this.announcer) this.queue = new AnnouncementQueue(this.announcer, channel!, this.processId, this.timers);
    else this.database.channel = channel!;
  }

  /** Tells the other processes what is committed, where statements do not. */
  announce(announcement: Announcement): void {
    this.queue?.add(announcement);
  }

  /** Sends a value that comes back to this process, where the poll does not. */
  announceEcho(nonce: string): void {
    this.queue?.addEcho(nonce);
  }

  /**
   * Listens on all channels.
   *
   * @param onMessage called with each payload
   * @param onLost called once when the connection is gone
   */
  listen(onMessage: (payload: string) => void, onLost: () => void): Promise<Listening> {
    return this.announcer
      ? this.subscribe(this.announcer, onMessage, onLost)
      : this.listenInDatabase(onMessage, onLost);
  }

  private async subscribe(
    announcer: RevocationAnnouncer,
    onMessage: (payload: string) => void,
    onLost: () => void,
  ): Promise<Listening> {
    let isOpen = true;
    const subscribed = announcer.listen(
      this.channels,
      message => void (isOpen && onMessage(message)),
      () => {
        if (isOpen) onLost();
        isOpen = false;
      },
    );
    const close = async ({ close: end }: Listening) => {
      isOpen = false;
      await this.timers.within(GOODBYE_TIMEOUT_MS, end(), () => new Error('late')).catch(() => undefined);
    };
    try {
      const subscription = await this.timers.within(TIMEOUT_MS, subscribed, () => new Error('no answer'));
      return { close: () => close(subscription) };
    } catch (error) {
      isOpen = false;
      // One that comes too late is of no use.
      subscribed.then(close, () => undefined);
      throw error;
    }
  }

  private async listenInDatabase(onMessage: (payload: string) => void, onLost: () => void): Promise<Listening> {
    const client = this.database.openConnection(TIMEOUT_MS);
    let open = true;
    const lost = () => {
      if (open) onLost();
      open = false;
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', ({ payload }) => open && onMessage(payload ?? ''));
    try {
      await client.connect();
      for (const channel of this.channels) await client.query(`LISTEN ${channel}`);
    } catch (error) {
      open = false;
      await this.end(client);
      throw error;
    }
    return {
      close: () => {
        open = false;
        return this.end(client);
      },
    };
  }

  /** The connection may be broken already, so its end may neither be answered nor reported. */
  private async end(client: OwnConnection): Promise<void> {
    const { connection } = client as unknown as { connection: { stream: Socket } };
    const timer = this.timers.after(GOODBYE_TIMEOUT_MS, () => connection.stream.destroy());
    await client.end().catch(() => undefined);
    this.timers.clear(timer);
  }
}
