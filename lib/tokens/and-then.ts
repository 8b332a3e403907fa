/**
 * Goes on with a value at once, or when it is there. A token that is known is accepted without waiting: most of what it
 * would cost is to wait.
 */
export function andThen<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
