import { Client } from 'pg';
import { Notifications as LibraryNotifications } from '../../lib/store/notifications.js';
import type { TestDatabase } from './database.js';
import type { TestApp } from './test-app.js';

const NO_MORE = 'no more';

/** The channel on which a process sends. */
export function channelOf({ app }: TestApp): string {
  return app.get(LibraryNotifications, { strict: false })['channels'][0]!;
}

/** Listens on a channel, on a connection of its own. */
export class Notifications {
  private readonly payloads: string[] = [];
  private seen?: () => void;

  private constructor(
    private readonly client: Client,
    private readonly channel: string,
  ) {
    client.on('notification', ({ payload = '' }) => {
      if (payload === NO_MORE) this.seen!();
      else this.payloads.push(payload);
    });
  }

  static async on(database: TestDatabase, channel: string): Promise<Notifications> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(`LISTEN ${channel}`);
    return new Notifications(client, channel);
  }

  /**
   * The payloads of everything that was committed since the last call. Notifications arrive in the order of their
   * commits, so that one of its own tells when there are no more.
   */
  async take(): Promise<string[]> {
    const last = new Promise<void>(resolve => (this.seen = resolve));
    await this.client.query('SELECT pg_notify($1, $2)', [this.channel, NO_MORE]);
    await last;
    return this.payloads.splice(0);
  }

  close(): Promise<void> {
    return this.client.end();
  }
}
