import type { AccountView } from '../account.types.js';

/** What a mail says. */
export interface MailContent {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** A login on a new device. */
export interface SignIn {
  /** Such as `Firefox on Linux`; null where it is not stored, or could be read as a link. */
  readonly device: string | null;
  /** As much of the address as is stored. */
  readonly ip: string | null;
  /** Null where the session is not stored any more. */
  readonly at: Date | null;
}

/** The values that a mail can contain. Escape them in HTML: somebody has typed the address. */
export interface MailContext {
  readonly serviceName: string;
  /** The recipient. */
  readonly email: string;
  /** Where the link of the mail leads. */
  readonly link: string;
  /** How long the link works, such as `24 hours`; empty where it does not end. */
  readonly lifetime: string;
  /** The account that the mail is about. */
  readonly account?: AccountView;
  /** The language that the client which caused the mail prefers, such as `de-CH` (RFC 5646). */
  readonly language?: string;
  /** In a mail about a login on a new device. */
  readonly signIn?: SignIn;
}

export type MailTemplate = (context: MailContext) => MailContent | Promise<MailContent>;

/** One template for each mail that is sent. */
export interface MailTemplates {
  /** To a new account: the link verifies the address. */
  verifyEmail: MailTemplate;
  /** Somebody has registered with an address that has an account: the link leads to the login. */
  alreadyRegistered: MailTemplate;
  resetPassword: MailTemplate;
  /** To the new address of an account: the link makes it count. */
  confirmEmail: MailTemplate;
  /** To the former address of an account: the link undoes the change. */
  emailChanged: MailTemplate;
  /** To the address before, where the owner of an earlier address has the link: this one leads to the login. */
  emailChangedAgain: MailTemplate;
  /** The link leads to the forgotten password. */
  passwordChanged: MailTemplate;
  /** About a login on a new device: the link ends its session. */
  newSignIn: MailTemplate;
  accountDeleted: MailTemplate;
}

/** The module's own texts. */
export const MAIL_TEMPLATES = {
  verifyEmail: ({ serviceName, link, lifetime }) =>
    letter(`Verify your e-mail address for ${serviceName}`, [
      `Somebody, probably you, has registered at ${serviceName} with this e-mail address.`,
      `To begin, verify the address within ${lifetime}. You will be asked for the password that you chose:`,
      { label: 'Verify this address', link },
      'If it was not you, do nothing.',
    ]),
  alreadyRegistered: ({ serviceName, link }) =>
    letter(`You already have an account at ${serviceName}`, [
      `Somebody, probably you, has tried to register at ${serviceName} with this e-mail address. It already has an account.`,
      'You can log in here; if you have forgotten your password, you can choose a new one there:',
      { label: 'Log in', link },
      'If it was not you, there is nothing to do: your account is as it was.',
    ]),
  resetPassword: ({ serviceName, link, lifetime }) =>
    letter(`Choose a new password for ${serviceName}`, [
      `Somebody, probably you, has asked for a new password at ${serviceName}.`,
      `The link works once, within ${lifetime}:`,
      { label: 'Choose a new password', link },
      'If it was not you, do nothing: your password stays as it is.',
    ]),
  confirmEmail: ({ serviceName, link, lifetime }) =>
    letter(`Confirm your new e-mail address for ${serviceName}`, [
      `Somebody, probably you, wants to use this e-mail address for an account at ${serviceName}.`,
      `Confirm it within ${lifetime}; until then the former address counts. You will be asked for the password of the account:`,
      { label: 'Confirm this address', link },
      'If it was not you, do nothing.',
    ]),
  emailChanged: ({ serviceName, link, lifetime }) =>
    letter(`Your e-mail address at ${serviceName} was changed`, [
      `Your account at ${serviceName} has another e-mail address now. This one is no longer used.`,
      `If it was not you, somebody else is in your account. Take it back within ${lifetime}, with a new password:`,
      { label: 'Undo the change', link },
      'If it was you, do nothing.',
    ]),
  emailChangedAgain: ({ serviceName, link }) =>
    letter(`Your e-mail address at ${serviceName} was changed`, [
      `Your account at ${serviceName} has another e-mail address now. This one is no longer used.`,
      'The address before this one got a link that undoes the change.',
      { label: `To ${serviceName}`, link },
    ]),
  passwordChanged: ({ serviceName, link }) =>
    letter(`Your password at ${serviceName} was changed`, [
      `The password of your account at ${serviceName} was changed.`,
      'If it was not you, choose a new one at once:',
      { label: 'Choose a new password', link },
    ]),
  newSignIn: ({ serviceName, link, lifetime, signIn }) =>
    letter(`New sign-in${signIn?.device ? ` from ${signIn.device}` : ''} at ${serviceName}`, [
      `Somebody, probably you, has logged in to your account at ${serviceName} on a device that was not used before.`,
      ...detailsOf(signIn),
      `If it was not you, end that session, and all that began later, within ${lifetime}:`,
      { label: 'End the session', link },
      'That person knows your password: choose a new one afterwards.',
      'If it was you, do nothing.',
    ]),
  accountDeleted: ({ serviceName }) =>
    letter(`Your account at ${serviceName} was deleted`, [
      `Your account at ${serviceName} and what belongs to it was deleted, as was asked for from your account.`,
    ]),
} satisfies Record<keyof MailTemplates, (context: MailContext) => MailContent>;

const TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });

function detailsOf({ device, ip, at }: Partial<SignIn> = {}): string[] {
  const details = [device, ip, at && `${TIME.format(at)} UTC`].filter(detail => typeof detail === 'string');
  return details.length > 0 ? [details.join(', ')] : [];
}

type Paragraph = string | { readonly label: string; readonly link: string };

function letter(subject: string, paragraphs: Paragraph[]): MailContent {
  const text = paragraphs.map(part => (typeof part === 'string' ? part : part.link)).join('\n\n');
  const html = paragraphs.map(part =>
    typeof part === 'string'
      ? `<p>${escapeHtml(part)}</p>`
      : `<p><a href="${escapeHtml(part.link)}">${escapeHtml(part.label)}</a></p><p>${escapeHtml(part.link)}</p>`,
  );
  return {
    subject,
    text: `${text}\n`,
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(subject)}</title></head><body>${html.join('')}</body></html>`,
  };
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For templates of an application's own as well. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character]!);
}
