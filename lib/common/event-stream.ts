import { Logger } from '@nestjs/common';
import { type Observable, Subject } from 'rxjs';
import { GuardedObservable } from './observable.js';

/** The events of a module. Each is logged at level `debug`; a subscriber that throws affects nothing else. */
export abstract class EventStream<Event extends object> {
  readonly observable: Observable<Event>;
  private readonly subject = new Subject<Event>();
  private readonly logger: Logger;

  /**
   * @param context of the log lines
   * @param name of the observable, for the log line of a subscriber that fails
   */
  protected constructor(context: string, name: string) {
    this.logger = new Logger(context);
    this.observable = new GuardedObservable<Event>(name, subscriber => this.subject.subscribe(subscriber));
  }

  emit(event: Event): void {
    if (Logger.isLevelEnabled('debug')) this.logger.debug(JSON.stringify(event));
    this.subject.next(event);
  }

  complete(): void {
    this.subject.complete();
  }
}
