import type { SessionEnd } from './client.types.js';

/** The content of a refusal of the session module. */
export interface Refusal {
  readonly errorCode?: string;
  readonly class?: string;
}

/**
 * Finds the refusal in an answer: in its body, which a filter may have wrapped, or in its challenge. GraphQL answers
 * 200 with a list of errors. Other 401s do not come from the session module.
 */
export async function refusalOf(response: Response, isGraphql?: boolean): Promise<Refusal | undefined> {
  const { status, headers } = response;
  if (status !== 401 && !(isGraphql && status === 200)) return undefined;
  const isJson = /json/.test(headers.get('content-type') ?? '');
  // The caller reads the original.
  const body: unknown =
    isJson &&
    (await response
      .clone()
      .json()
      .catch(() => undefined));
  const given = status === 401 ? body : (Object(body) as { errors?: unknown }).errors;
  return find<Refusal>(given, ({ errorCode }) => typeof errorCode === 'string') ?? challengeOf(headers);
}

/** Finds an object in an answer, however an interceptor or a filter has wrapped it. */
export function find<T>(value: unknown, is: (object: Partial<T>) => unknown, depth = 5): T | undefined {
  if (Object(value) !== value || depth === 0) return undefined;
  if (is(value as Partial<T>)) return value as T;
  for (const member of Object.values(value as object)) {
    const found = find(member, is, depth - 1);
    if (found) return found;
  }
  return undefined;
}

function challengeOf(headers: Headers): Refusal {
  return { errorCode: /error_code="(\w+)"/.exec(headers.get('www-authenticate') ?? '')?.[1] };
}

export function asksForRefresh(refusal: Refusal | undefined): boolean {
  return /^access_token_(expired|invalid)$/.test(refusal?.errorCode ?? '');
}

/** The end of the session, if the refusal is one. Other refusals do not end it. */
export function endOf(refusal: Refusal | undefined): SessionEnd | undefined {
  const reason = refusal?.errorCode as SessionEnd['reason'];
  return /^(session_(missing|expired|revoked|key_required)|refresh_token_\w+|token_theft_detected)$/.test(reason)
    ? { reason, class: refusal!.class }
    : undefined;
}
