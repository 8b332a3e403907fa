import { Injectable } from '@nestjs/common';
import type { Socket } from 'node:net';
import { SessionTimers } from '../common/clock.js';
import { Database, type OwnConnection } from './database.js';
import { channelOf } from './sql-fragments.js';

/** How long to wait for a server that says nothing: a network may swallow everything and end no connection. */
const TIMEOUT_MS = 5_000;

/** A connection that listens. */
export interface Listening {
  close(): Promise<void>;
}

/** LISTEN on the channel of this module's tables. */
@Injectable()
export class Notifications {
  constructor(
    private readonly database: Database,
    private readonly timers: SessionTimers,
  ) {}

  /** The id that this process's own notifications carry. */
  get processId(): string {
    return this.database.processId;
  }

  /**
   * @param onMessage called with each payload
   * @param onLost called once when the connection is gone
   */
  async listen(onMessage: (payload: string) => void, onLost: () => void): Promise<Listening> {
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
      await client.query(`LISTEN ${channelOf(this.database.tables)}`);
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

  /** A connection that is being given up may be broken already: there is nobody to tell, and nobody who answers. */
  private async end(client: OwnConnection): Promise<void> {
    const { connection } = client as unknown as { connection: { stream: Socket } };
    const timer = this.timers.after(TIMEOUT_MS, () => connection.stream.destroy());
    await client.end().catch(() => undefined);
    this.timers.clear(timer);
  }
}
