import { Injectable } from '@nestjs/common';
import { EventStream } from '../common/event-stream.js';
import type { AccountErrorCode } from './account.errors.js';
import type { MailKind } from './account.types.js';

/** What happened to accounts and their mails. No event carries a password, a token, a hash or an address. */
export type AccountEvent =
  | { readonly type: 'account.registered'; readonly accountId: string }
  | {
      /** The address is taken by an account that cannot be found, such as one in a store that deletes softly. */
      readonly type: 'account.registration-blocked';
      readonly mailId: string;
    }
  | { readonly type: 'account.verified'; readonly accountId: string }
  | { readonly type: 'account.logged-in'; readonly accountId: string; readonly sessionId: string }
  | {
      /** A login, or another proof of a password, was refused. Without an account where the address is unknown. */
      readonly type: 'account.refused';
      readonly code: AccountErrorCode;
      readonly accountId?: string;
    }
  | {
      readonly type: 'account.password-changed';
      readonly accountId: string;
      readonly cause: 'change' | 'reset';
      /** How many sessions were ended. */
      readonly ended: number;
    }
  | {
      readonly type: 'account.email-changed';
      readonly accountId: string;
      /** `undo`: by the link that was sent to the former address. */
      readonly cause: 'change' | 'undo';
      /** How many sessions were ended. */
      readonly ended: number;
    }
  | {
      /** The link in the notice of a login on a new device was followed. */
      readonly type: 'account.sign-in-reported';
      readonly accountId: string;
      /** The session of that login. */
      readonly sessionId: string;
      /** How many sessions were ended: that one, and those that began later. */
      readonly ended: number;
    }
  | { readonly type: 'account.disabled'; readonly accountId: string; readonly ended: number }
  | { readonly type: 'account.enabled'; readonly accountId: string }
  | { readonly type: 'account.role-changed'; readonly accountId: string; readonly role: string }
  | { readonly type: 'account.deleted'; readonly accountId: string; readonly ended: number }
  | {
      readonly type: 'attempts.limited';
      readonly operation: 'logIn' | 'mail';
      readonly by: 'account' | 'address' | 'device' | 'session' | 'link';
    }
  | { readonly type: 'mail.sent'; readonly mailId: string; readonly kind: MailKind }
  | {
      /** It did not go out, and will be tried again. */
      readonly type: 'mail.delayed';
      readonly mailId: string;
      readonly kind: MailKind;
      readonly attempts: number;
      readonly error: string;
    }
  | {
      /** It was given up: its row in `jwt_account_mail` stays for a week. */
      readonly type: 'mail.failed';
      readonly mailId: string;
      readonly kind: MailKind;
      readonly attempts: number;
      readonly error: string;
    };

/** The events of the accounts. */
@Injectable()
export class AccountEvents extends EventStream<AccountEvent> {
  constructor() {
    super('AccountEvents', 'AccountService.events');
  }
}
