const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A number with a unit, such as `'10m'` or `'1.5h'`. */
export type Duration = `${number}${keyof typeof UNITS}`;

// 100 years: safely within PostgreSQL's `interval` and JavaScript's `Date`.
const MAX_DURATION_MS = 36_525 * UNITS.d;

/** The milliseconds of a duration such as `'10m'` or `'1.5h'`; undefined where the value is not a duration. */
export function parseDuration(text: unknown): number | undefined {
  const match = typeof text === 'string' ? DURATION.exec(text) : null;
  if (!match) return undefined;
  const milliseconds = Math.round(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]);
  return milliseconds <= MAX_DURATION_MS ? milliseconds : undefined;
}

/** How to write a duration, for messages. */
export function describeDuration(value: unknown): string {
  const hint = typeof value === 'number' ? `; did you mean '${value}s' or '${value}ms'?` : '';
  return `write a duration with a unit, such as '30s', '10m', '12h' or '30d'${hint}`;
}
