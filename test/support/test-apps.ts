import { SharedClock, TestDatabase } from './database.js';
import { type Platform, startTestApp, type TestApp, type TestAppOptions } from './test-app.js';

/** The applications of one suite, on one database and one clock. */
export class TestApps {
  private readonly started: TestApp[] = [];

  private constructor(
    private readonly platform: Platform,
    private readonly database: TestDatabase,
    readonly clock: SharedClock,
  ) {}

  static async on(platform: Platform): Promise<TestApps> {
    const database = await TestDatabase.create();
    return new TestApps(platform, database, await SharedClock.install(database));
  }

  async start(options: TestAppOptions = {}): Promise<TestApp> {
    const { platform, database, clock } = this;
    const app = await startTestApp({ platform, database, clock, ...options });
    this.started.push(app);
    return app;
  }

  /** Closes those that have started so far. */
  async stop(): Promise<void> {
    await Promise.all(this.started.splice(0).map(app => app.close()));
  }

  async close(): Promise<void> {
    await this.stop();
    await this.database.drop();
  }
}
