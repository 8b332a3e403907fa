/** A mail that is ready to be sent. */
export interface Mail {
  /** What it is about, such as `reset-password`; for logs and for the headers of bulk services. */
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Sends mails. The module brings one for SMTP and one that writes files; the option `mail.mailer` names another. */
export abstract class Mailer {
  /**
   * Sends one mail, or rejects: it is tried again then. Give up after some time, two minutes at most: another process
   * takes the mail over after that. The text holds a token that lets its reader into the account: never log it.
   */
  abstract send(mail: Mail): Promise<void>;
}
