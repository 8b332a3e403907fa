import { Injectable, Logger } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SessionTimers } from './clock.js';

/** What is used of @nestjs/schedule's registry; the package is optional. */
interface IntervalRegistry {
  addInterval(name: string, timer: unknown): void;
  deleteInterval(name: string): void;
}

/**
 * Recurring work. Its timers are listed in @nestjs/schedule's `SchedulerRegistry` where the application has one; the
 * library never imports `ScheduleModule` itself, because every job of the application would run twice.
 */
@Injectable()
export class Schedule {
  private readonly logger = new Logger('SessionSchedule');

  constructor(
    private readonly timers: SessionTimers,
    private readonly moduleRef: ModuleRef,
  ) {}

  /** Repeats a task, never twice at a time; a failure is logged and the next turn comes. Returns how to stop it. */
  async every(name: string, milliseconds: number, task: () => Promise<unknown>): Promise<() => void> {
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
    const registry = await this.registry();
    registry?.addInterval(name, timer);
    return () => {
      this.timers.clear(timer);
      registry?.deleteInterval(name);
    };
  }

  private async registry(): Promise<IntervalRegistry | undefined> {
    try {
      const { SchedulerRegistry } = await import('@nestjs/schedule');
      return this.moduleRef.get(SchedulerRegistry, { strict: false });
    } catch {
      // The application does not use @nestjs/schedule.
      return undefined;
    }
  }
}
