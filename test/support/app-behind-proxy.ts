import { TestDatabase } from './database.js';
import { TcpProxy } from './tcp-proxy.js';
import { startTestApp, type TestApp, type TestAppOptions } from './test-app.js';

/** An application that reaches its database, which is its own, through a proxy that can fail. */
export interface AppBehindProxy {
  readonly test: TestApp;
  readonly database: TestDatabase;
  readonly proxy: TcpProxy;
  /** Ends all three. */
  close(): Promise<void>;
}

export async function startBehindProxy(
  options: Omit<TestAppOptions, 'database' | 'typeorm'> = {},
): Promise<AppBehindProxy> {
  const database = await TestDatabase.create();
  const proxy = await TcpProxy.to(database.url);
  const end = async () => {
    await proxy.close();
    await database.drop();
  };
  try {
    const test = await startTestApp({ ...options, database, typeorm: { url: proxy.url } });
    return { test, database, proxy, close: () => test.close().finally(end) };
  } catch (error) {
    await end();
    throw error;
  }
}
