import { Logger } from '@nestjs/common';
import { Observable, type Observer, type Operator, Subscriber, type Subscription, type TeardownLogic } from 'rxjs';

const logger = new Logger('SessionEvents');

/**
 * An Observable that survives its subscribers: each event is delivered in a try/catch of its own, so that one that
 * throws (or rejects) is logged and harms neither the request nor the other subscribers. Also true behind `pipe`.
 */
export class GuardedObservable<T> extends Observable<T> {
  /** @param name its name in the log, such as `SessionService.events` */
  constructor(
    private readonly name: string,
    subscribe?: (this: Observable<T>, subscriber: Subscriber<T>) => TeardownLogic,
  ) {
    super(subscribe);
  }

  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>(this.name);
    lifted.source = this;
    lifted.operator = operator;
    return lifted;
  }

  override subscribe(observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null): Subscription {
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const observer = typeof observerOrNext === 'function' ? { next: observerOrNext } : (observerOrNext ?? {});
    return super.subscribe({
      next: value => this.deliver(() => observer.next?.(value)),
      error: (error: unknown) => this.deliver(() => (observer.error ? observer.error(error) : this.report(error))),
      complete: () => this.deliver(() => observer.complete?.()),
    });
  }

  private deliver(call: () => unknown): void {
    try {
      const result = call();
      if (result instanceof Promise) result.catch(error => this.report(error));
    } catch (error) {
      this.report(error);
    }
  }

  private report(error: unknown): void {
    logger.error(`a subscriber of ${this.name} failed: ${error instanceof Error ? error.stack : String(error)}`);
  }
}
