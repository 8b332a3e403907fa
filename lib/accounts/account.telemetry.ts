import { Injectable, type OnModuleInit, Optional } from '@nestjs/common';
import { type Count, Telemetry } from '../telemetry/telemetry.js';
import { type AccountEvent, AccountEvents } from './account.events.js';
import { AccountService } from './account.service.js';

const OPERATIONS = [
  'register',
  'sendVerification',
  'verifyEmail',
  'logIn',
  'reauthenticate',
  'find',
  'own',
  'changePassword',
  'forgotPassword',
  'resetPassword',
  'changeEmail',
  'confirmEmail',
  'undoEmailChange',
  'requirePassword',
  'deleteOwn',
  'delete',
  'export',
  'disable',
  'enable',
  'setRole',
] as const satisfies readonly (keyof AccountService)[];

/** Counts events and measures operations (option `telemetry`). */
@Injectable()
export class AccountTelemetry implements OnModuleInit {
  constructor(
    private readonly events: AccountEvents,
    private readonly accounts: AccountService,
    @Optional() private readonly telemetry?: Telemetry,
  ) {}

  onModuleInit(): void {
    this.telemetry?.measureCalls(this.accounts, OPERATIONS, 'account.');
    this.telemetry?.count(this.events.observable, countOf);
  }
}

function countOf(event: AccountEvent): Count | undefined {
  switch (event.type) {
    case 'account.registered':
      return { name: 'jwt_account.registrations' };
    case 'account.logged-in':
      return { name: 'jwt_account.log_ins' };
    case 'account.refused':
      return { name: 'jwt_account.refusals', attributes: { 'error.type': event.code } };
    case 'attempts.limited': {
      const attributes = { 'jwt_account.operation': event.operation, 'jwt_account.by': event.by };
      return { name: 'jwt_account.attempts_limited', attributes };
    }
    case 'mail.sent':
    case 'mail.delayed':
    case 'mail.failed': {
      const outcome = event.type.slice('mail.'.length);
      const attributes = { 'jwt_account.mail': event.kind, 'jwt_account.outcome': outcome };
      return { name: 'jwt_account.mails', attributes };
    }
    default:
      return undefined;
  }
}
