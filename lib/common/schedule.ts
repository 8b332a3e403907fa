import { Injectable, Logger, Optional } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { SessionTimers } from './clock.js';

/**
 * Recurring work. Its timers are listed in the application's `SchedulerRegistry`, if it imports `ScheduleModule`. The
 * library does not import that module, because a second `ScheduleModule.forRoot()` runs every job of the application
 * twice.
 */
@Injectable()
export class Schedule {
  private readonly logger = new Logger('SessionSchedule');

  constructor(
    private readonly timers: SessionTimers,
    // `ScheduleModule.forRoot()` is global, so the registry is visible wherever this class is provided.
    @Optional() private readonly registry?: SchedulerRegistry,
  ) {}

  /**
   * Repeats a task. Runs do not overlap, and a failure is logged and does not stop the next run.
   *
   * @param name of the interval in the registry
   * @returns a function that stops the task
   */
  every(name: string, milliseconds: number, task: () => Promise<unknown>): () => void {
    let running = false;
    const timer = this.timers.every(milliseconds, () => {
      if (running) return;
      running = true;
      task()
        .catch((error: unknown) =>
          this.logger.error(`${name}: ${error instanceof Error ? error.message : String(error)}`),
        )
        .finally(() => (running = false));
    });
    this.registry?.addInterval(name, timer);
    return () => {
      this.timers.clear(timer);
      if (this.registry?.doesExist('interval', name)) this.registry.deleteInterval(name);
    };
  }
}
