/** The options that are given, so that one that is present but undefined does not hide its default. */
export function defined<T extends object>(options: T | undefined): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
