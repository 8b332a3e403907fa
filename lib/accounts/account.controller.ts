import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Post,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import {
  CurrentSession,
  Exchange,
  Public,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from '../index.js';
import { AccountRecentLoginGuard } from './account.guard.js';
import type {
  ChangePasswordDto,
  CredentialsDto,
  EmailDto,
  PasswordDto,
  ResetPasswordDto,
  TokenDto,
} from './account.input.js';
import { AccountHeadersInterceptor } from './account.interceptor.js';
import { AccountService } from './account.service.js';
import { ACCOUNT_PATH } from './options/static-account-options.js';

/**
 * Registration, login, passwords and addresses. Mounted by the module under `account`; for another path, Swagger, extra
 * guards or versions set `controller: false` and extend it: `@Controller('me') class Mine extends AccountController {}`.
 *
 * Bodies are types here and no classes, so that no ValidationPipe of the application looks at them: the service does.
 */
@Controller({ path: ACCOUNT_PATH, version: VERSION_NEUTRAL })
@UseInterceptors(AccountHeadersInterceptor)
export class AccountController {
  constructor(
    protected readonly accounts: AccountService,
    protected readonly sessions: SessionService,
  ) {}

  /** Always 202: whether the address was known stands in the mail. */
  @Post('register')
  @HttpCode(202)
  @Public()
  async register(@Body() body: CredentialsDto, @Exchange() exchange: SessionExchange): Promise<void> {
    await this.accounts.register(body, { exchange });
  }

  @Post('verify-email')
  @HttpCode(200)
  @Public()
  async verifyEmail(@Body() body: TokenDto) {
    const { email } = await this.accounts.verifyEmail(body);
    return { email };
  }

  /** Always 202. */
  @Post('send-verification')
  @HttpCode(202)
  @Public()
  async sendVerification(@Body() body: EmailDto, @Exchange() exchange: SessionExchange): Promise<void> {
    await this.accounts.sendVerification(body, { exchange });
  }

  @Post('login')
  @HttpCode(200)
  @Public()
  async logIn(@Body() body: CredentialsDto, @Exchange() exchange: SessionExchange) {
    const { account, tokens } = await this.accounts.logIn(body, { exchange });
    const { session, ...rest } = tokens;
    return { account, ...rest, expiresAt: session.expiresAt };
  }

  /** The password again, for what needs a recent login. */
  @Post('reauthenticate')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  async reauthenticate(
    @CurrentSession() session: UserSession,
    @Body() body: PasswordDto,
    @Exchange() exchange: SessionExchange,
  ) {
    const { session: renewed, ...rest } = await this.accounts.reauthenticate(session, body, { exchange });
    return { ...rest, expiresAt: renewed.expiresAt };
  }

  @Get()
  @UseGuards(SessionGuard)
  own(@CurrentSession() session: UserSession) {
    return this.accounts.own(session);
  }

  @Post('password')
  @HttpCode(204)
  @UseGuards(AccountRecentLoginGuard)
  async changePassword(
    @CurrentSession() session: UserSession,
    @Body() body: ChangePasswordDto,
    @Exchange() exchange: SessionExchange,
  ): Promise<void> {
    await this.accounts.changePassword(session, body, { exchange });
  }

  /** Always 202. */
  @Post('forgot-password')
  @HttpCode(202)
  @Public()
  async forgotPassword(@Body() body: EmailDto, @Exchange() exchange: SessionExchange): Promise<void> {
    await this.accounts.forgotPassword(body, { exchange });
  }

  @Post('reset-password')
  @HttpCode(204)
  @Public()
  async resetPassword(@Body() body: ResetPasswordDto): Promise<void> {
    await this.accounts.resetPassword(body);
  }

  /** Always 202 for whoever may ask: whether the address is another account's is not told. */
  @Post('email')
  @HttpCode(202)
  @UseGuards(AccountRecentLoginGuard)
  async changeEmail(
    @CurrentSession() session: UserSession,
    @Body() body: EmailDto,
    @Exchange() exchange: SessionExchange,
  ): Promise<void> {
    await this.accounts.changeEmail(session, body, { exchange });
  }

  @Post('confirm-email')
  @HttpCode(200)
  @Public()
  async confirmEmail(@Body() body: TokenDto) {
    const { email } = await this.accounts.confirmEmail(body);
    return { email };
  }

  @Delete()
  @HttpCode(204)
  @UseGuards(AccountRecentLoginGuard)
  async delete(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange): Promise<void> {
    await this.accounts.delete(session.userId);
    // All sessions have ended with the account; this clears the cookies.
    await this.sessions.logOut(session.id, { exchange });
  }

  /** Everything that is stored about the caller. */
  @Get('export')
  @UseGuards(SessionGuard)
  async export(@CurrentSession() session: UserSession) {
    await this.accounts.own(session);
    return this.accounts.export(session.userId);
  }
}
