import type { CredentialsMode } from './transport.js';

type Input = Parameters<typeof fetch>[0];
type Init = Parameters<typeof fetch>[1];

/** A request as its caller made it. */
export interface OutgoingRequest {
  readonly address: string;
  /** What the caller gave, if it is no address. */
  readonly request?: Request;
  readonly method: string;
  /** These two are copies: later changes by the caller are not repeated. */
  readonly init: Init;
  readonly headers: Headers;
  readonly signal?: AbortSignal | null;
  readonly credentials?: CredentialsMode;
  readonly isRepeatable: boolean;
}

export function outgoingRequest(input: Input, init: Init, base: string): OutgoingRequest {
  const request = typeof input === 'object' && 'url' in input ? input : undefined;
  const address = request?.url ?? absolute(String(input), base);
  return {
    address,
    request,
    init: { ...init },
    method: (init?.method ?? request?.method ?? 'GET').toUpperCase(),
    headers: new Headers(init?.headers ?? request?.headers),
    signal: init?.signal ?? request?.signal,
    // A Request always has a mode; only this one is never the default.
    credentials: init?.credentials ?? (request?.credentials === 'omit' ? 'omit' : undefined),
    isRepeatable: isRepeatable(init?.body),
  };
}

/**
 * The address that a request is sent to. React Native's `URL` appends relative addresses to the path of the base, and
 * takes some absolute addresses for relative ones. What is taken for relative here begins with our own origin.
 */
export function absolute(address: string, base: string): string {
  if (/^[a-z][a-z\d+.-]*:/i.test(address)) return address;
  if (/^[\\/]{2}/.test(address)) return new URL(address, base).href;
  return (address.startsWith('/') ? originOf(base) : base) + address;
}

/** By its text alone: `URL.origin` throws in older versions of React Native. Undefined for other schemes than http. */
export function originOf(href: string): string | undefined {
  return /^https?:\/\/[^/?#]+/.exec(href)?.[0];
}

/** A stream can be read once. */
function isRepeatable(body: unknown): boolean {
  const object = Object(body) as object;
  return !('getReader' in object || Symbol.asyncIterator in object);
}
