import { generateKeyPair, generateProof, type JWSAlgorithm, type KeyPair } from 'dpop';
import { type Answer, send, type SendOptions } from './client.js';

/** A bearer client that proves a key with each request (RFC 9449), by the package `dpop`. */
export class DpopClient {
  accessToken = '';
  refreshToken = '';
  /** The last one that the server has given. */
  nonce?: string;

  private constructor(
    private readonly url: string,
    readonly keys: KeyPair,
  ) {}

  static async of(url: string, algorithm: JWSAlgorithm = 'ES256'): Promise<DpopClient> {
    return new DpopClient(url, await generateKeyPair(algorithm));
  }

  proof(method: string, path: string, accessToken?: string): Promise<string> {
    return generateProof(this.keys, this.url + path, method, this.nonce, accessToken);
  }

  async send(path: string, options: SendOptions = {}): Promise<Answer> {
    const dpop = await this.proof(options.method ?? 'GET', path, this.accessToken);
    const headers = { authorization: `DPoP ${this.accessToken}`, dpop };
    return send(this.url + path, { ...options, headers: { ...headers, ...options.headers } });
  }

  async logIn(userId: string, claims?: Record<string, unknown>): Promise<Answer> {
    const headers = { 'session-transport': 'bearer', dpop: await this.proof('POST', '/login') };
    return this.keep(await send(`${this.url}/login`, { method: 'POST', headers, body: { userId, claims } }));
  }

  async refresh(): Promise<Answer> {
    const headers = { dpop: await this.proof('POST', '/session/refresh') };
    const body = { refreshToken: this.refreshToken };
    return this.keep(await send(`${this.url}/session/refresh`, { method: 'POST', headers, body }));
  }

  /** The tokens of another client with the key of this one. */
  steal(other: { readonly accessToken: string; readonly refreshToken: string }): this {
    const { accessToken, refreshToken } = other;
    return Object.assign(this, { accessToken, refreshToken });
  }

  private keep(answer: Answer): Answer {
    this.accessToken = answer.body.accessToken ?? this.accessToken;
    this.refreshToken = answer.body.refreshToken ?? this.refreshToken;
    return answer;
  }
}
