import { type Answer, send, type SendOptions } from './client.js';

/** A client that keeps its tokens itself, as a mobile application does. */
export class BearerClient {
  accessToken = '';
  refreshToken = '';

  constructor(private readonly url: string) {}

  /** Sends with the access token, if there is one yet. */
  send(path: string, options: SendOptions = {}): Promise<Answer> {
    const authorization = this.accessToken && { authorization: `Bearer ${this.accessToken}` };
    return send(`${this.url}${path}`, { ...options, headers: { ...authorization, ...options.headers } });
  }

  async logIn(userId: string, claims?: Record<string, unknown>): Promise<Answer> {
    const headers = { 'session-transport': 'bearer' };
    return this.keep(await send(`${this.url}/login`, { method: 'POST', headers, body: { userId, claims } }));
  }

  async refresh(): Promise<Answer> {
    const body = { refreshToken: this.refreshToken };
    return this.keep(await send(`${this.url}/session/refresh`, { method: 'POST', body }));
  }

  /** As the package's client does: with the access token that came with the refresh token. */
  async refreshWithBoth(): Promise<Answer> {
    const { refreshToken, accessToken } = this;
    return this.keep(
      await send(`${this.url}/session/refresh`, { method: 'POST', body: { refreshToken, accessToken } }),
    );
  }

  copy(): BearerClient {
    return Object.assign(new BearerClient(this.url), {
      accessToken: this.accessToken,
      refreshToken: this.refreshToken,
    });
  }

  private keep(answer: Answer): Answer {
    this.accessToken = answer.body.accessToken ?? this.accessToken;
    this.refreshToken = answer.body.refreshToken ?? this.refreshToken;
    return answer;
  }
}
