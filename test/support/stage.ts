import type { Browser, BrowserContextOptions } from 'playwright-core';
import { launchChromium } from './chromium.js';
import { parseDuration } from '../../lib/common/duration.js';
import { SharedClock, TestDatabase } from './database.js';
import { SampleProcess } from './sample-process.js';
import { until } from './until.js';
import { Visitor } from './visitor.js';

interface SessionRow {
  readonly id: string;
  readonly generation: number;
  readonly last_case: string | null;
  readonly revoked_reason: string | null;
}

/** The sample in a process of its own, and a browser for its visitors. */
export class Stage {
  private visitors: Visitor[] = [];

  private constructor(
    readonly database: TestDatabase,
    private readonly clock: SharedClock,
    readonly sample: SampleProcess,
    readonly browser: Browser,
  ) {}

  static async set(environment: Record<string, string> = {}): Promise<Stage> {
    const database = await TestDatabase.create();
    const clock = await SharedClock.install(database);
    const [sample, browser] = await Promise.all([SampleProcess.start(database, environment), launchChromium()]);
    return new Stage(database, clock, sample, browser);
  }

  /** @param url where the sample is met, if not at its own address */
  async visitor(url = this.sample.url, options?: BrowserContextOptions): Promise<Visitor> {
    const visitor = new Visitor(await this.browser.newContext(options), url);
    this.visitors.push(visitor);
    return visitor;
  }

  /** All visitors leave. Says what went wrong in their tabs. */
  async clear(): Promise<string[]> {
    const visitors = this.visitors.splice(0);
    await Promise.all(visitors.map(({ context }) => context.close()));
    return visitors.flatMap(visitor => visitor.takeProblems());
  }

  /** Every session there ever was, the newest first. */
  sessions(): Promise<SessionRow[]> {
    return this.database.query('SELECT id, generation, last_case, revoked_reason FROM jwt_session ORDER BY id DESC');
  }

  /** Time passes for the sample and its database: an access token lives for 10 minutes, a leeway window for 30 seconds. */
  async pass(duration: string): Promise<void> {
    // The sample first: a token of a database that is ahead would come from the future.
    await this.sample.pass(parseDuration(duration)!);
    await this.clock.pass(duration);
  }

  /** Waits until the newest session is of that generation: a use is confirmed a moment after it. */
  async reaches(generation: number): Promise<void> {
    await until(async () => (await this.sessions())[0]!.generation === generation);
  }

  async strike(): Promise<void> {
    await this.browser.close();
    await this.sample.stop();
    await this.database.drop();
  }
}
