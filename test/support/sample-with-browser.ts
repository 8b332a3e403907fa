import type { Browser, BrowserContextOptions } from 'playwright-core';
import { launchChromium } from './chromium.js';
import { parseDuration } from '../../lib/common/duration.js';
import { SharedClock, TestDatabase } from './database.js';
import { SampleProcess } from './sample-process.js';
import { until } from './until.js';
import { BrowserUser } from './browser-user.js';

interface SessionRow {
  readonly id: string;
  readonly generation: number;
  readonly last_case: string | null;
  readonly revoked_reason: string | null;
}

/** The sample in a process of its own, with a real browser. */
export class SampleWithBrowser {
  private users: BrowserUser[] = [];

  private constructor(
    readonly database: TestDatabase,
    private readonly clock: SharedClock,
    private readonly process: SampleProcess,
    readonly browser: Browser,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<SampleWithBrowser> {
    const database = await TestDatabase.create();
    const clock = await SharedClock.install(database);
    const [process, browser] = await Promise.all([SampleProcess.start(database, environment), launchChromium()]);
    return new SampleWithBrowser(database, clock, process, browser);
  }

  get url(): string {
    return this.process.url;
  }

  /**
   * A user with a browser profile of their own.
   *
   * @param url of the proxy in front of the sample, if there is one
   */
  async user(url = this.url, options?: BrowserContextOptions): Promise<BrowserUser> {
    const user = new BrowserUser(await this.browser.newContext(options), url);
    this.users.push(user);
    return user;
  }

  /** Closes the tabs of all users. Returns the errors that occurred in them. */
  async closeUsers(): Promise<string[]> {
    const users = this.users.splice(0);
    await Promise.all(users.map(({ context }) => context.close()));
    return users.flatMap(user => user.takeProblems());
  }

  /** All rows of sessions, the newest first. */
  sessions(): Promise<SessionRow[]> {
    return this.database.query('SELECT id, generation, last_case, revoked_reason FROM jwt_session ORDER BY id DESC');
  }

  /**
   * Moves the clocks of the sample and of its database: an access token lives for 10 minutes, a leeway window for 30
   * seconds.
   */
  async advance(duration: string): Promise<void> {
    // The sample first: if the database were ahead, its tokens would come from the future.
    await this.process.advance(parseDuration(duration)!);
    await this.clock.advance(duration);
  }

  /** Waits until the newest session has that generation: a use is confirmed shortly after it. */
  async reaches(generation: number): Promise<void> {
    await until(async () => (await this.sessions())[0]!.generation === generation);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.process.stop();
    await this.database.drop();
  }
}
