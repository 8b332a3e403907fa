import { Injectable, NotFoundException } from '@nestjs/common';
import { SessionError, SessionService } from 'nestjs-jwt-session';
import { randomUUID } from 'node:crypto';

const MAX_CLIENTS = 100;

/** What the second client says of itself; the address is one of those that are reserved for examples (RFC 5737). */
const ELSEWHERE = { ip: '203.0.113.7', userAgent: 'A second client' };

/** What a copy of all cookies is good for. */
interface CopyOutcome {
  /** Until when the copy's access token is accepted, or the code of the refusal. */
  readonly access: Date | string;
  /** `accepted`, the code of the refusal, or `impossible` for want of a refresh token. */
  readonly refresh: string;
}

/**
 * Clients that hold a copy of somebody's refresh token, for the demonstration of theft. They live in this process's
 * memory only. Never do this in an application: a server has no business keeping a refresh token.
 */
@Injectable()
export class SecondClients {
  private readonly tokens = new Map<string, string>();

  constructor(private readonly sessions: SessionService) {}

  /** @returns a name for the client, which is no credential: all that it is good for is `act` */
  open(stolen: string): string {
    const [oldest] = this.tokens.keys();
    if (this.tokens.size >= MAX_CLIENTS) this.tokens.delete(oldest!);
    const client = randomUUID();
    this.tokens.set(client, stolen);
    return client;
  }

  /** The client refreshes and uses what it got. Says `accepted`, or the code of the refusal. */
  async act(client: string): Promise<string> {
    try {
      await this.refresh(client);
      // The new token in use: from now on the session knows that it has reached a client.
      await this.refresh(client);
      return 'accepted';
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      if (error.endsSession) this.tokens.delete(client);
      return error.errorCode;
    }
  }

  /** Tries what a client can do with copies of both tokens: act as the user, and go on beyond the access token's end. */
  async tryCopy(accessToken: string, refreshToken: string | undefined): Promise<CopyOutcome> {
    const access = await codeOf(this.sessions.verify(accessToken));
    const refresh = refreshToken && (await codeOf(this.sessions.refresh({ refreshToken, ...ELSEWHERE })));
    return { access: access === 'accepted' ? endOf(accessToken) : access, refresh: refresh ?? 'impossible' };
  }

  private async refresh(client: string): Promise<void> {
    const held = this.tokens.get(client);
    if (held === undefined) throw new NotFoundException('There is no such second client');
    const { refreshToken } = await this.sessions.refresh({ refreshToken: held, ...ELSEWHERE });
    // Absent where the former one stays in force.
    if (refreshToken) this.tokens.set(client, refreshToken);
  }
}

/** `accepted`, or the code of the refusal. */
async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return 'accepted';
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    return error.errorCode;
  }
}

function endOf(accessToken: string): Date {
  const payload = Buffer.from(accessToken.split('.')[1]!, 'base64url').toString();
  const { exp } = JSON.parse(payload) as { exp: number };
  return new Date(exp * 1000);
}
