import type { CredentialsMode } from './transport.js';

type Input = Parameters<typeof fetch>[0];
type Init = Parameters<typeof fetch>[1];

/** A request as it was asked for. */
export interface OutgoingRequest {
  readonly input: string | Request;
  readonly url: URL;
  readonly method: string;
  /** These two are copies: what the caller changes later is not repeated. */
  readonly init: Init;
  readonly headers: Headers;
  readonly signal?: AbortSignal | null;
  readonly credentials?: CredentialsMode;
  readonly isRepeatable: boolean;
}

export function outgoingRequest(input: Input, init: Init, base: URL): OutgoingRequest {
  const request = typeof input === 'object' && 'url' in input ? input : undefined;
  const url = new URL(request?.url ?? String(input), base);
  return {
    input: request ?? url.href,
    url,
    init: { ...init },
    method: (init?.method ?? request?.method ?? 'GET').toUpperCase(),
    headers: new Headers(init?.headers ?? request?.headers),
    signal: init?.signal ?? request?.signal,
    // A Request always has a mode; only one of them was certainly meant.
    credentials: init?.credentials ?? (request?.credentials === 'omit' ? 'omit' : undefined),
    isRepeatable: isRepeatable(request, init?.body),
  };
}

/**
 * A stream can be read once. The body of a `Request` is one, whatever it was made of, and a copy made in advance would keep
 * a whole upload in memory: it is repeated only without a body.
 */
function isRepeatable(request: Request | undefined, body: unknown): boolean {
  if (body === undefined || body === null) {
    // Where `body` is unknown to the browser, the method decides.
    return !request || request.body === null || /^(GET|HEAD)$/.test(request.method);
  }
  return typeof body !== 'object' || !('getReader' in body || Symbol.asyncIterator in body);
}
