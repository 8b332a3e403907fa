import { Injectable, NotFoundException } from '@nestjs/common';
import { SessionError, SessionService } from 'nestjs-jwt-session';
import { randomUUID } from 'node:crypto';

const MAX_CLIENTS = 100;

/** What the second client says of itself; the address is one of those that are reserved for examples (RFC 5737). */
const ELSEWHERE = { ip: '203.0.113.7', userAgent: 'A second client' };

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

  private async refresh(client: string): Promise<void> {
    const held = this.tokens.get(client);
    if (held === undefined) throw new NotFoundException('There is no such second client');
    const { refreshToken } = await this.sessions.refresh({ refreshToken: held, ...ELSEWHERE });
    // Absent where the former one stays in force.
    if (refreshToken) this.tokens.set(client, refreshToken);
  }
}
