import type { OpenApiSchema, RouteDescription } from '../common/open-api.js';
import { RefreshResponse } from '../index.js';
import type { AccountController } from './account.controller.js';
import {
  AccountErrorResponse,
  AccountExportResponse,
  AccountLogInResponse,
  AccountResponse,
  EmailResponse,
} from './account.responses.js';

type RouteName = Exclude<keyof AccountController, 'accounts' | 'sessions'>;

const EMAIL: OpenApiSchema = { type: 'string', format: 'email' };
const PASSWORD: OpenApiSchema = { type: 'string', format: 'password' };
const REMEMBER: OpenApiSchema = { type: 'boolean', description: 'Whether the cookies outlive the browser' };
const TOKEN: OpenApiSchema = { type: 'string', description: 'From the link in the mail' };

const NO_SESSION = ['session_missing', 'access_token_expired', 'access_token_invalid', 'session_revoked'];
const INPUT = { 400: ['invalid_input'] };
const ATTEMPTS = { 429: ['too_many_attempts'] };
const LINK = { ...ATTEMPTS, 400: ['invalid_input', 'token_invalid', 'token_used'], 403: ['recovery_required'] };
const LOG_IN = { ...INPUT, ...ATTEMPTS, 401: ['invalid_credentials'] };
const RECENT = [...NO_SESSION, 'insufficient_user_authentication', 'invalid_credentials'];
const PASSWORD_REFUSALS = {
  ...INPUT,
  ...ATTEMPTS,
  401: RECENT,
  403: ['csrf_rejected', 'not_while_impersonating', 'recovery_required'],
};

/** What @nestjs/swagger shows of the accounts' routes. */
export const ACCOUNT_ROUTES: Record<RouteName, RouteDescription> = {
  register: open(
    202,
    'Register; the answer does not tell whether the address is known',
    { email: EMAIL, password: PASSWORD },
    {
      ...INPUT,
      ...ATTEMPTS,
    },
  ),
  verifyEmail: {
    ...open(200, 'Verify the address, with the password of the registration or a new one', { token: TOKEN }, LINK),
    body: { token: TOKEN, password: PASSWORD, newPassword: PASSWORD },
    required: ['token'],
    answer: EmailResponse,
    refusals: refusals({ ...LINK, 400: [...LINK[400], 'password_mismatch'] }),
  },
  sendVerification: open(202, 'Send the mail of the registration again', { email: EMAIL }, { ...INPUT, ...ATTEMPTS }),
  logIn: {
    ...open(200, 'Log in', { email: EMAIL, password: PASSWORD }, LOG_IN),
    body: { email: EMAIL, password: PASSWORD, remember: REMEMBER },
    required: ['email', 'password'],
    answer: AccountLogInResponse,
    refusals: refusals({
      ...LOG_IN,
      403: ['csrf_rejected', 'email_not_verified', 'account_disabled', 'recovery_required', 'session_limit_reached'],
    }),
  },
  reauthenticate: {
    ...secured(200, 'Renew the login by the password', { password: PASSWORD }, PASSWORD_REFUSALS),
    answer: RefreshResponse,
  },
  own: { ...secured(200, "The user's own account", undefined, { 401: NO_SESSION }), answer: AccountResponse },
  changePassword: secured(
    204,
    'Change the password, and end the other sessions',
    { currentPassword: PASSWORD, newPassword: PASSWORD },
    PASSWORD_REFUSALS,
  ),
  forgotPassword: open(202, 'Send a link to choose a new password', { email: EMAIL }, { ...INPUT, ...ATTEMPTS }),
  resetPassword: open(204, 'Choose a new password by the link', { token: TOKEN, password: PASSWORD }, LINK),
  changeEmail: secured(202, 'Ask for another address', { email: EMAIL, password: PASSWORD }, PASSWORD_REFUSALS),
  confirmEmail: {
    ...open(
      200,
      'Confirm the new address, with the password of the account',
      { token: TOKEN, password: PASSWORD },
      { ...LINK, 401: ['invalid_credentials'], 409: ['email_taken'] },
    ),
    answer: EmailResponse,
  },
  undoEmailChange: {
    ...open(
      200,
      'Restore the former address, with a new password',
      { token: TOKEN, password: PASSWORD },
      {
        ...LINK,
        409: ['email_taken'],
      },
    ),
    answer: EmailResponse,
  },
  endSession: open(
    204,
    'End the session of a login on a new device, and later ones, by the link',
    { token: TOKEN },
    { 400: LINK[400] },
  ),
  delete: secured(204, 'Delete the account, and end all sessions', { password: PASSWORD }, PASSWORD_REFUSALS),
  export: {
    ...secured(200, 'Everything that is stored about the user', undefined, { 401: NO_SESSION }),
    answer: AccountExportResponse,
  },
};

type Refusals = RouteDescription['refusals'];

function open(status: number, summary: string, body: RouteDescription['body'], of: Refusals): RouteDescription {
  return { summary, body, status, refusals: refusals(of), refusal: AccountErrorResponse };
}

function secured(status: number, summary: string, body: RouteDescription['body'], of: Refusals): RouteDescription {
  return { ...open(status, summary, body, of), secured: true };
}

function refusals(of: Refusals): Refusals {
  return { ...of, 503: ['session_store_unavailable'] };
}
