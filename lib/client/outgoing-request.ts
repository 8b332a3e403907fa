import type { CredentialsMode } from './transport.js';

type Input = Parameters<typeof fetch>[0];
type Init = Parameters<typeof fetch>[1];

/** A request as its caller made it. */
export interface OutgoingRequest {
  /** The address, or the request, whose body can be sent only once. */
  readonly input: () => string | Request;
  readonly url: URL;
  readonly method: string;
  /** These two are copies: later changes by the caller are not repeated. */
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
    // A copy is sent, so that a request with a body can be repeated.
    input: () => request?.clone() ?? url.href,
    url,
    init: { ...init },
    method: (init?.method ?? request?.method ?? 'GET').toUpperCase(),
    headers: new Headers(init?.headers ?? request?.headers),
    signal: init?.signal ?? request?.signal,
    // A Request always has a mode; only this one is never the default.
    credentials: init?.credentials ?? (request?.credentials === 'omit' ? 'omit' : undefined),
    isRepeatable: isRepeatable(init?.body),
  };
}

/** A stream can be read once. */
function isRepeatable(body: unknown): boolean {
  return typeof body !== 'object' || body === null || !('getReader' in body || Symbol.asyncIterator in body);
}
