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
  NotWhileImpersonating,
  Public,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from '../index.js';
import { AcceptsEmptyBodies } from '../common/empty-bodies.js';
import { describeRoutes } from '../common/open-api.js';
import { AccountRecentLoginGuard } from './account.guard.js';
import type {
  ChangeEmailDto,
  ChangePasswordDto,
  ConfirmEmailDto,
  CredentialsDto,
  EmailDto,
  LogInDto,
  PasswordDto,
  ResetPasswordDto,
  TokenDto,
  VerifyEmailDto,
} from './account.input.js';
import { AccountHeadersInterceptor } from './account.interceptor.js';
import { ACCOUNT_ROUTES } from './account.routes.js';
import { AccountService } from './account.service.js';
import { ACCOUNT_PATH } from './options/static-account-options.js';

/**
 * Registration, login, passwords and addresses. Mounted by the module under `account`; for another path, Swagger, extra
 * guards or versions set `controller: false` and extend it: `@Controller('me') class Mine extends AccountController
 * {}`.
 *
 * Bodies have no classes here, so that no ValidationPipe of the application checks them: the service does.
 */
@Controller({ path: ACCOUNT_PATH, version: VERSION_NEUTRAL })
@UseInterceptors(AccountHeadersInterceptor)
@AcceptsEmptyBodies()
export class AccountController {
  constructor(
    protected readonly accounts: AccountService,
    protected readonly sessions: SessionService,
  ) {}

  /** Always 202: only the mail tells whether the address was known. */
  @Post('register')
  @HttpCode(202)
  @Public()
  async register(@Body() body: CredentialsDto, @Exchange() exchange: SessionExchange): Promise<void> {
    await this.accounts.register(body, { exchange });
  }

  @Post('verify-email')
  @HttpCode(200)
  @Public()
  async verifyEmail(@Body() body: VerifyEmailDto, @Exchange() exchange: SessionExchange) {
    const { email } = await this.accounts.verifyEmail(body, { exchange });
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
  async logIn(@Body() body: LogInDto, @Exchange() exchange: SessionExchange) {
    const { account, tokens } = await this.accounts.logIn(body, { exchange });
    // The notice is for the owner: an intruder must not learn that it was sent.
    const { session, newDevice: _newDevice, ...rest } = tokens;
    return { account, ...rest, expiresAt: session.expiresAt };
  }

  /** Renews the login by the password, for routes that need a recent login. */
  @Post('reauthenticate')
  @HttpCode(200)
  @NotWhileImpersonating()
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
  @NotWhileImpersonating()
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
  async resetPassword(@Body() body: ResetPasswordDto, @Exchange() exchange: SessionExchange): Promise<void> {
    await this.accounts.resetPassword(body, { exchange });
  }

  /** Always 202 with the right password: the answer does not tell whether another account has the address. */
  @Post('email')
  @HttpCode(202)
  @UseGuards(AccountRecentLoginGuard)
  @NotWhileImpersonating()
  async changeEmail(
    @CurrentSession() session: UserSession,
    @Body() body: ChangeEmailDto,
    @Exchange() exchange: SessionExchange,
  ): Promise<void> {
    await this.accounts.changeEmail(session, body, { exchange });
  }

  /** Public, because the link may be opened in another browser than the one that asked for it. */
  @Post('confirm-email')
  @HttpCode(200)
  @Public()
  async confirmEmail(@Body() body: ConfirmEmailDto, @Exchange() exchange: SessionExchange) {
    const { email } = await this.accounts.confirmEmail(body, { exchange });
    return { email };
  }

  /** Restores the former address and sets a new password, by the link that the former address got. */
  @Post('undo-email-change')
  @HttpCode(200)
  @Public()
  async undoEmailChange(@Body() body: ResetPasswordDto, @Exchange() exchange: SessionExchange) {
    const { email } = await this.accounts.undoEmailChange(body, { exchange });
    return { email };
  }

  /** Ends the session of a login on a new device, by the link that the owner got. Needs no login. */
  @Post('end-session')
  @HttpCode(204)
  @Public()
  async endSession(@Body() body: TokenDto): Promise<void> {
    await this.accounts.endSession(body);
  }

  @Delete()
  @HttpCode(204)
  @UseGuards(AccountRecentLoginGuard)
  @NotWhileImpersonating()
  async delete(
    @CurrentSession() session: UserSession,
    @Body() body: PasswordDto,
    @Exchange() exchange: SessionExchange,
  ): Promise<void> {
    await this.accounts.deleteOwn(session, body, { exchange });
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

describeRoutes(AccountController, ACCOUNT_ROUTES);
