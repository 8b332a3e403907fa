/** Milliseconds are kept, because JavaScript's dates have no more. */
export const TIMESTAMP = { type: 'timestamp with time zone', precision: 3 } as const;
