import { Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { Database } from './database.js';
import { channelOf } from './statements.js';

/** A connection that listens. */
export interface Listening {
  close(): Promise<void>;
}

/** LISTEN on the channel of this module's tables. */
@Injectable()
export class Notifications {
  constructor(private readonly database: Database) {}

  /** The origin that this process's own messages name. */
  get origin(): string {
    return this.database.origin;
  }

  /**
   * @param onMessage called with each payload
   * @param onLost called once when the connection is gone
   */
  async listen(onMessage: (payload: string) => void, onLost: () => void): Promise<Listening> {
    const client = this.database.openConnection();
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
      await endQuietly(client);
      throw error;
    }
    return {
      close: () => {
        open = false;
        return endQuietly(client);
      },
    };
  }
}

/** A connection that is being given up may be broken already; there is nobody to tell. */
async function endQuietly(client: Client): Promise<void> {
  await client.end().catch(() => undefined);
}
