import { type ExecutionContext, Injectable } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { SessionError, SessionExchange, SessionGuard } from 'nestjs-jwt-session';
import type { WebSocket } from 'ws';

export type Upgraded = WebSocket & { upgrade: IncomingMessage };

/** `ws` shows the upgrade request to `handleConnection` only, which keeps it on the socket for this guard. */
@Injectable()
export class WsSessionGuard extends SessionGuard {
  protected override getExchange(context: ExecutionContext): SessionExchange {
    return new SessionExchange(context.switchToWs().getClient<Upgraded>().upgrade);
  }

  protected override refuse(error: unknown): never {
    throw error instanceof SessionError ? new WsException(error.getResponse()) : error;
  }
}
