import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { ACCESS_COOKIE, type Answer, type AnswerBody, CookieClient, type SendOptions } from './client.js';

type KeyPair = Awaited<ReturnType<typeof newKeyPair>>;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };

export function newKeyPair() {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

export function segment(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

export async function signProof(header: object, payload: object, { privateKey }: KeyPair): Promise<string> {
  const content = `${segment(header)}.${segment(payload)}`;
  const signature = await crypto.subtle.sign(SIGNATURE, privateKey, Buffer.from(content));
  return `${content}.${Buffer.from(signature).toString('base64url')}`;
}

export async function publicJwk({ publicKey }: KeyPair): Promise<object> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  return { kty, crv, x, y };
}

/** The proof of a registration, as browsers make it. */
export async function registrationOf(challenge: string, keys: KeyPair): Promise<string> {
  return signProof({ typ: 'dbsc+jwt', alg: 'ES256', jwk: await publicJwk(keys) }, { jti: challenge }, keys);
}

/** The proof of a refresh, with claims that a browser may add. */
export function proofOf(challenge: string, keys: KeyPair, added: object = {}): Promise<string> {
  return signProof({ typ: 'dbsc+jwt', alg: 'ES256' }, { jti: challenge, ...added }, keys);
}

/** Sends exactly the given headers: `fetch` of Node has a `Sec-Fetch-Mode` of its own. */
export async function sendAsGiven(url: string, { method = 'GET', headers = {}, body }: SendOptions): Promise<Answer> {
  const content = body === undefined ? '' : JSON.stringify(body);
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const length = { 'content-length': Buffer.byteLength(content) };
  const sent = request(url, { method, headers: { ...type, ...length, ...headers }, agent: false });
  sent.end(content);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const text = await textOf(response);
  const { 'set-cookie': setCookie = [], ...others } = response.headers;
  return {
    status: response.statusCode!,
    headers: new Headers(Object.entries(others) as [string, string][]),
    setCookie,
    body: (/^[{[]/.test(text) ? JSON.parse(text) : {}) as AnswerBody,
  };
}

/** What a browser has after a registration. */
interface Instructions {
  readonly session_identifier: string;
  readonly refresh_url: string;
  readonly credentials: readonly { readonly name: string; readonly attributes: string }[];
}

/** A browser with DBSC, whose steps are taken one by one. Its jar keeps cookies until a server clears them. */
export class DbscBrowser extends CookieClient {
  registration?: { readonly path: string; readonly challenge: string };
  instructions?: Instructions;
  challenge?: string;

  private constructor(
    private readonly base: string,
    readonly keys: KeyPair,
  ) {
    super(base);
  }

  static async at(url: string): Promise<DbscBrowser> {
    return new DbscBrowser(url, await newKeyPair());
  }

  override sendOnly(path: string, options: SendOptions = {}): Promise<Answer> {
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { ...(cookie ? { cookie } : {}), ...options.headers };
    return sendAsGiven(`${this.base}${path}`, { ...options, headers });
  }

  /** @param mode how the page logs in: by a fetch, or by a form */
  async logInAs(userId: string, mode: 'cors' | 'navigate' = 'cors', path = '/login'): Promise<Answer> {
    const headers = { 'sec-fetch-mode': mode, 'sec-fetch-site': 'same-origin' };
    const answer = await this.send(path, { method: 'POST', headers, body: { userId } });
    this.observe(answer);
    return answer;
  }

  /** Posts the key of the last login, with the cookies of the jar. */
  async register(options: SendOptions = {}): Promise<Answer> {
    const { path, challenge } = this.registration!;
    const proof = await registrationOf(challenge, this.keys);
    const headers = { 'secure-session-response': proof, ...options.headers };
    const answer = await this.send(path, { method: 'POST', ...options, headers });
    this.observe(answer);
    if (answer.status === 200) this.instructions = answer.body as unknown as Instructions;
    return answer;
  }

  /** Proves the key once, for the challenge that the browser has. */
  async prove(
    options: { readonly challenge?: string; readonly headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const { session_identifier: id, refresh_url: url } = this.instructions!;
    const { challenge = this.challenge } = options;
    const headers: Record<string, string> = { 'sec-secure-session-id': `"${id}"` };
    if (challenge !== undefined) headers['secure-session-response'] = await proofOf(challenge, this.keys);
    Object.assign(headers, options.headers);
    const answer = await this.send(url, { method: 'POST', headers });
    this.observe(answer);
    return answer;
  }

  /** The bound cookie has reached its age. */
  forgetCookie(): void {
    this.jar.delete(this.instructions!.credentials[0]!.name);
    this.jar.delete(ACCESS_COOKIE);
  }

  /** Logs in, registers the key, and uses the new cookie, so that the key is in force. */
  async bind(userId: string, confirmUses: () => Promise<void>): Promise<void> {
    await this.logInAs(userId);
    await this.register();
    await this.send('/me');
    await confirmUses();
  }

  /** Another client with this one's cookies, and without its key. */
  stolen(): CookieClient {
    const thief = new CookieClient(this.base);
    this.jar.forEach((value, name) => thief.jar.set(name, value));
    return thief;
  }

  private observe({ headers }: Answer): void {
    const registration = headers.get('secure-session-registration');
    const [, path, challenge] = /^\(ES256\);path="([^"]+)";challenge="([^"]+)"$/.exec(registration ?? '') ?? [];
    if (path && challenge) this.registration = { path, challenge };
    const next = /^"([^"]+)";id="[^"]+"$/.exec(headers.get('secure-session-challenge') ?? '')?.[1];
    if (next) this.challenge = next;
  }
}
