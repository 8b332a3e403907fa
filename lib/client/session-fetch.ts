import { bearerTransport } from './bearer-transport.js';
import type { SessionFetch, SessionFetchOptions } from './client.types.js';
import { cookieTransport } from './cookie-transport.js';
import { platformEnvironment } from './environment.js';
import { absolute, originOf, outgoingRequest } from './outgoing-request.js';
import { type RefreshOutcome, refresher } from './refresher.js';
import { asksForRefresh, endOf, type Refusal, refusalOf } from './refusal.js';
import { sessionEnds } from './session-ends.js';
import { unlessAborted, withinTimeLimit } from './time-limit.js';
import type { Mark } from './transport.js';

/**
 * A `fetch` that keeps a session alive: where the server answers `access_token_expired` or `access_token_invalid` it
 * refreshes once, for all requests and tabs, and repeats the request once.
 *
 * - A request whose body is a stream is never repeated: the session is refreshed, and the caller gets the 401. A `Request`
 *   is kept in memory until its answer, with its body.
 * - Requests to other origins than that of `baseUrl`, or with an `Authorization` header of their own, are sent by the plain
 *   `fetch`, without tokens.
 * - A refresh is given up after 10 s. Without a network the caller's promise is rejected, as that of any `fetch`; where the
 *   server refuses to refresh, now (503) or for good, the caller gets the 401.
 *
 * @throws TypeError for a `baseUrl` that is not a URL
 */
export function createSessionFetch(options: SessionFetchOptions): SessionFetch {
  const environment = { ...platformEnvironment(), ...options.environment };
  const send = options.fetch ?? ((...request: Parameters<typeof fetch>) => fetch(...request));
  const base = baseOf(options.baseUrl, environment.location?.href);
  const name = `nestjs-jwt-session ${base}`;
  const transport = options.storage ? bearerTransport(options.storage) : cookieTransport(environment, base);
  const { credentials } = transport;
  const ends = sessionEnds(name, environment, transport);
  const { onSessionEnd } = options;
  if (onSessionEnd) ends.subscribe(end => end && onSessionEnd(end));
  const refresh = refresher(name, environment, transport, postRefresh);

  /** Adds a proof of the client's key. The scheme says that one comes. */
  async function prove(headers: Headers, method: string, url: string, token?: Mark): Promise<void> {
    if (!options.storage || !options.proof) return;
    headers.set('dpop', await options.proof({ method, url }, token as string));
    if (token) headers.set('authorization', `DPoP ${token}`);
  }

  /** A request to the session controller. Nothing may send a token elsewhere, not even a redirect. */
  async function post(
    path: string,
    init: { headers: Headers; body?: string; signal?: AbortSignal },
  ): Promise<Response> {
    const address = absolute(`${options.sessionPath ?? 'session'}/${path}`, base);
    await prove(init.headers, 'POST', address);
    return send(address, { ...init, method: 'POST', credentials, redirect: 'error' });
  }

  async function postRefresh(mark: Mark): Promise<RefreshOutcome> {
    const session = ends.current();
    const request = await transport.refreshRequest(mark);
    if (!request) return 'changed';
    const { headers, body } = request;
    const { isOk, answer, refusal } = await withinTimeLimit(environment.after, async signal => {
      const response = await post('refresh', { headers, body, signal });
      if (!response.ok) return { refusal: await refusalOf(response) };
      // With cookies only the end of the answer matters.
      const answered: unknown = options.storage ? await response.json() : await response.text();
      return { isOk: true, answer: answered };
    });
    if (isOk) return (await transport.accept(answer, request)) ? 'refreshed' : 'changed';
    await endWith(refusal, mark, session);
    return 'refused';
  }

  /** @param session the one that the request was sent with: a late answer says nothing about the next one */
  async function endWith(refusal: Refusal | undefined, mark: Mark, session: number | undefined): Promise<void> {
    const end = endOf(refusal);
    if (end && (await transport.forget(mark)) && ends.current() === session) ends.end(end);
  }

  async function sessionFetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
    const request = outgoingRequest(input, init, base);
    // The platform's own parser says which server the address names; fetch sends it there.
    const isForeign = !isOwn(new URL(request.address).href) || request.headers.has('authorization');
    if (isForeign) return send(request.request ?? request.address, init);

    for (let round = 1, isLast = false; ; round++) {
      const session = ends.current();
      const headers = new Headers(request.headers);
      const mark = await transport.authorize(headers, request.method);
      await prove(headers, request.method, request.address, mark);
      // A copy is sent, so that a request with a body can be repeated.
      const response = await send(request.request?.clone() ?? request.address, {
        ...request.init,
        headers,
        credentials: request.credentials ?? credentials,
      });
      // A redirect may have led to another server, whose answers say nothing about this session.
      const refusal =
        !response.url || isOwn(response.url)
          ? await refusalOf(response, /\/graphql([?#]|$)/.test(request.address))
          : undefined;

      if (isLast || !asksForRefresh(refusal)) {
        if (session === undefined && response.ok) ends.begin();
        // What was sent without a session cannot end the one that has begun meanwhile.
        if (session !== undefined) await endWith(refusal, mark, session);
        return response;
      }
      const outcome = await unlessAborted(refresh(mark), request.signal);
      if (outcome === 'refused' || !request.isRepeatable) return response;
      // Where another tab's refresh has failed, one of our own may follow; after that nothing is tried again.
      isLast = outcome === 'refreshed' || round === 2;
    }
  }

  function isOwn(href: string): boolean {
    return originOf(href) === originOf(base);
  }

  return Object.assign(sessionFetch, {
    async saveTokens(body: unknown): Promise<void> {
      await transport.save(body);
      ends.begin();
    },
    async logOut(): Promise<void> {
      const headers = new Headers();
      const mark = await transport.authorize(headers, 'POST');
      const request = await transport.refreshRequest(mark);
      request?.headers.forEach((value, header) => headers.set(header, value));
      const { ok, status } = await post('logout', { headers, body: request?.body });
      if (!ok) throw new Error(`Not logged out: ${status}`);
      // Those of a refresh that was under way belong to the session that has ended, too.
      await transport.clear();
      ends.end({ reason: 'logged_out' });
    },
    async refresh(): Promise<boolean> {
      const session = ends.current();
      const outcome = await refresh(await transport.authorize(new Headers(), 'POST'));
      const isLive = outcome !== 'refused' && (!options.storage || Boolean(await transport.accessToken()));
      if (session === undefined && isLive) ends.begin();
      return isLive;
    },
    accessToken: transport.accessToken,
    subscribe: ends.subscribe,
    ended: ends.ended,
    close: ends.close,
  });
}

function baseOf(baseUrl: string, page: string | undefined): string {
  // By constructor alone: React Native and Safari 16 have no URL.canParse, and React Native's URLs cannot be changed.
  try {
    const { href } = new URL(baseUrl, page);
    // Other schemes have no origin.
    if (originOf(href)) return href.replace(/\/?([?#].*)?$/, '/');
  } catch {
    // The error below says what to write.
  }
  throw new TypeError(`baseUrl must be a URL such as "https://example.com/", not "${baseUrl}"`);
}
