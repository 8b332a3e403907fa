import type { SessionEnd } from './client.types.js';

/** What the body of a 401 says. */
export interface Refusal {
  readonly errorCode?: unknown;
  readonly class?: string;
}

/** The refusal that an answer is. What is no JSON comes from something else than the session module. */
export async function refusalOf(response: Response): Promise<Refusal | undefined> {
  if (response.status !== 401 || !/json/.test(response.headers.get('content-type') ?? '')) return undefined;
  try {
    // The caller reads the original.
    return ((await response.clone().json()) as Refusal | null) ?? undefined;
  } catch {
    return undefined;
  }
}

export function asksForRefresh(refusal: Refusal | undefined): boolean {
  return /^access_token_(expired|invalid)$/.test(String(refusal?.errorCode));
}

/** The end of the session, where the refusal is one. Other refusals leave it as it is. */
export function endOf(refusal: Refusal | undefined): SessionEnd | undefined {
  const reason = refusal?.errorCode as SessionEnd['reason'];
  return /^(session_(missing|expired|revoked)|refresh_token_invalid|token_theft_detected)$/.test(reason)
    ? { reason, class: refusal!.class }
    : undefined;
}
