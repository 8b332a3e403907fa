/** What is used of nodemailer, which is an optional package. */
export interface MailTransport {
  sendMail(mail: object): Promise<{ message?: unknown }>;
  close(): void;
}

/** @throws Error that says what to install */
export async function openTransport(options: object): Promise<MailTransport> {
  const nodemailer = await import('nodemailer').catch(() => undefined);
  if (!nodemailer) {
    throw new Error(
      'AccountModule sends mails through the package nodemailer: run "npm install nodemailer", or write the option "mail.mailer"',
    );
  }
  // Nothing in a mail may make the server read files or fetch addresses.
  return nodemailer.createTransport({ ...options, disableFileAccess: true, disableUrlAccess: true });
}
