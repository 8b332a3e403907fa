import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { SessionAuthenticator, SessionError, SessionExchange, type UserSession } from 'nestjs-jwt-session';

interface Message {
  accessToken?: string;
  session?: UserSession;
}

/** For message handlers: the sender adds the access token. */
@Injectable()
export class MessageGuard implements CanActivate {
  constructor(private readonly authenticator: SessionAuthenticator) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const message = context.switchToRpc().getData<Message>();
    const headers = { authorization: `Bearer ${message.accessToken ?? ''}` };
    try {
      message.session = await this.authenticator.authenticate(new SessionExchange({ headers }));
      return message.session !== undefined;
    } catch (error) {
      if (error instanceof SessionError) return false;
      throw error;
    }
  }
}
