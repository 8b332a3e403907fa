import type { INestApplicationContext } from '@nestjs/common';
import type { QueryConfig } from 'pg';
import { DataSource } from 'typeorm';

interface LoggedClient {
  query(query: string | QueryConfig, ...rest: unknown[]): unknown;
}

interface LoggedPool {
  on(event: 'acquire', listener: (client: LoggedClient) => void): void;
}

/** Every statement that an application hands to the driver from now on: its name if it is prepared, else its text. */
export class StatementLog {
  private statements: string[] = [];

  constructor(app: INestApplicationContext) {
    const { master } = app.get(DataSource).driver as unknown as { master: LoggedPool };
    const known = new WeakSet<LoggedClient>();
    master.on('acquire', client => {
      if (known.has(client)) return;
      known.add(client);
      const send = client.query.bind(client);
      client.query = (query, ...rest) => {
        this.statements.push(typeof query === 'string' ? query : (query.name ?? query.text));
        return send(query, ...rest);
      };
    });
  }

  /** What was sent since the last call. */
  take(): string[] {
    return this.statements.splice(0);
  }
}
