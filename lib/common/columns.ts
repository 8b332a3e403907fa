/** Milliseconds, which is the precision of JavaScript's dates. */
export const TIMESTAMP = { type: 'timestamp with time zone', precision: 3 } as const;
