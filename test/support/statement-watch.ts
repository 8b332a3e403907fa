import { DataSource } from 'typeorm';
import type { TestApp } from './test-app.js';

interface WatchedPool {
  on(event: 'acquire', listener: () => void): void;
  off(event: 'acquire', listener: () => void): void;
}

/** How often a connection of the application's pool was taken while `run` ran: without one there is no statement. */
export async function connectionsTaken({ app }: TestApp, run: () => Promise<unknown>): Promise<number> {
  const { master } = app.get(DataSource).driver as unknown as { master: WatchedPool };
  let taken = 0;
  const count = () => void taken++;
  master.on('acquire', count);
  try {
    await run();
  } finally {
    master.off('acquire', count);
  }
  return taken;
}
