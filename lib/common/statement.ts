/** A statement that is prepared once per connection under its name. */
export interface Statement<Values extends object = object, Row extends object = object> {
  readonly name: string;
  /** With PostgreSQL's numbered parameters. */
  readonly text: string;
  /** The parameters' names in the order of their numbers. */
  readonly parameters: readonly string[];
  /** For the compiler only. */
  readonly types?: { readonly values: Values; readonly row: Row };
}

/**
 * In front of each text: a pooler that sends reads to replicas, such as pgpool-II, sends this one to the primary. A
 * replica may be behind, and what it says of tokens is then wrong.
 */
export const ON_PRIMARY = '/*NO LOAD BALANCE*/ ';

/** A quoted literal or identifier, a cast, or a parameter. */
const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|::|:([A-Za-z]\w*)/g;

/**
 * Numbers the parameters of a statement, which are written `:name`.
 *
 * @param text without comments; names in quotes and `::casts` are no parameters
 */
export function statement<Values extends object = object, Row extends object = object>(
  name: string,
  text: string,
): Statement<Values, Row> {
  const parameters: string[] = [];
  const numbered = text.replaceAll(TOKEN, (token, parameter?: string) => {
    if (parameter === undefined) return token;
    if (!parameters.includes(parameter)) parameters.push(parameter);
    return `$${parameters.indexOf(parameter) + 1}`;
  });
  return { name, text: ON_PRIMARY + numbered, parameters };
}

/**
 * The values in the order of the statement's parameters. An undefined value is NULL.
 *
 * @param shared values of parameters that `values` does not have
 */
export function valuesOf<Values extends object>(
  { parameters }: Statement<Values>,
  values: Values,
  shared: object = {},
): unknown[] {
  const given = values as Record<string, unknown>;
  const others = shared as Record<string, unknown>;
  return parameters.map(name => given[name] ?? others[name]);
}
