import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { until } from '../support/until.js';

export interface ReceivedMail extends Email {
  /** Whom the envelope says it is for, in lower case. */
  readonly recipients: readonly string[];
}

/** A real SMTP server on 127.0.0.1 that keeps what it gets. */
export class Inbox {
  readonly mails: ReceivedMail[] = [];
  /** Answers every mail with this refusal while it is set. */
  refusal?: string;
  private readonly server: SMTPServer;

  private constructor() {
    this.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (this.refusal !== undefined)
            return callback(Object.assign(new Error(this.refusal), { responseCode: 451 }));
          const recipients = session.envelope.rcptTo.map(({ address }) => address.toLowerCase());
          PostalMime.parse(Buffer.concat(chunks)).then(
            mail => {
              this.mails.push({ ...mail, recipients });
              callback();
            },
            (error: unknown) => callback(error as Error),
          );
        });
      },
    });
    this.server.on('error', () => undefined);
  }

  static async open(): Promise<Inbox> {
    const inbox = new Inbox();
    inbox.server.listen(0, '127.0.0.1');
    await once(inbox.server.server, 'listening');
    return inbox;
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.server.server.address() as AddressInfo).port}`;
  }

  to(address: string): ReceivedMail[] {
    return this.mails.filter(({ recipients }) => recipients.includes(address.toLowerCase()));
  }

  /** The latest mail to an address whose subject matches, once there are so many of them. */
  async wait(address: string, subject: RegExp, count = 1): Promise<ReceivedMail> {
    const matching = () => this.to(address).filter(mail => subject.test(mail.subject ?? ''));
    await until(async () => matching().length >= count);
    return matching().at(-1)!;
  }

  async close(): Promise<void> {
    await new Promise<void>(resolve => this.server.close(() => resolve()));
  }
}

/** The link of a mail: the same in its text and in its HTML. */
export function linkOf(mail: ReceivedMail): URL {
  const link = /https?:\/\/\S+/.exec(mail.text ?? '')![0];
  const href = /href="([^"]+)"/.exec(mail.html ?? '')![1]!.replaceAll('&amp;', '&');
  if (href !== link) throw new Error(`the HTML links to ${href}, the text to ${link}`);
  return new URL(link);
}

/** The token in the fragment of a mail's link, as the page reads it. */
export function tokenOf(mail: ReceivedMail): string {
  return new URLSearchParams(linkOf(mail).hash.slice(1)).get('token')!;
}
