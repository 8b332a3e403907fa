import { Logger } from '@nestjs/common';
import type { SessionTimers } from '../common/clock.js';
import type { RevocationAnnouncer } from '../options/revocation-announcer.js';
import type { Announcement, RaisedVersion } from '../rules/revocation-state.js';

/** Sessions or users in a message: with the longest ids it is shorter than 500 kB. */
const MAX_ENTRIES = 250;

/** What may wait while a message is being sent. Above it the other processes are asked to poll instead. */
const MAX_WAITING = 20_000;

const TIMEOUT_MS = 5_000;

/**
 * Announces what this process has committed. What comes in one turn of the event loop, and while a message is being
 * sent, shares messages. A message that cannot be sent is dropped: the other processes learn by their polls.
 */
export class AnnouncementQueue {
  private readonly logger = new Logger('SessionRevocation');
  private readonly sessions = new Map<string, string[]>();
  private users: RaisedVersion[] = [];
  private claims: RaisedVersion[] = [];
  private asksToPoll = false;
  private echo?: string;
  private waiting = 0;
  private isSending = false;
  private hasFailed = false;

  /** @param channel where messages are sent */
  constructor(
    private readonly announcer: RevocationAnnouncer,
    private readonly channel: string,
    private readonly processId: string,
    private readonly timers: SessionTimers,
  ) {}

  add({ sessions = [], users = [], claims = [], keys = [] }: Announcement): void {
    for (const { id, reason } of sessions) this.idsOf(reason).push(id);
    this.users.push(...users);
    this.claims.push(...claims);
    this.asksToPoll ||= keys.length > 0;
    this.waiting += sessions.length + users.length + claims.length;
    if (this.waiting > MAX_WAITING) {
      this.clear();
      this.asksToPoll = true;
    }
    this.sendSoon();
  }

  /** Sends a value that only this process waits for. */
  addEcho(nonce: string): void {
    this.echo = nonce;
    this.sendSoon();
  }

  private idsOf(reason: string): string[] {
    let ids = this.sessions.get(reason);
    if (!ids) this.sessions.set(reason, (ids = []));
    return ids;
  }

  private sendSoon(): void {
    if (this.isSending) return;
    this.isSending = true;
    this.timers.atEndOfTurn(() => void this.send());
  }

  private async send(): Promise<void> {
    for (let messages = this.take(); messages.length > 0; messages = this.take()) {
      for (const message of messages) await this.announce(message);
    }
    this.isSending = false;
  }

  private async announce(message: object): Promise<void> {
    const text = JSON.stringify({ processId: this.processId, ...message });
    try {
      const sent = this.announcer.announce(this.channel, text);
      await this.timers.within(TIMEOUT_MS, sent, () => new Error('it took longer than five seconds'));
      this.hasFailed = false;
    } catch (error) {
      // Once: each poll fails as well, and reports it.
      if (!this.hasFailed)
        this.logger.warn(`announcing failed: ${error instanceof Error ? error.message : String(error)}`);
      this.hasFailed = true;
    }
  }

  private take(): object[] {
    const messages = [
      ...(this.echo === undefined ? [] : [{ echo: this.echo }]),
      ...(this.asksToPoll ? [{ keys: true }] : []),
      ...[...this.sessions].flatMap(([reason, ids]) => parts(ids).map(sessions => ({ sessions, reason }))),
      ...parts(this.users).map(users => ({ users })),
      ...parts(this.claims).map(claims => ({ claims })),
    ];
    this.clear();
    return messages;
  }

  private clear(): void {
    this.sessions.clear();
    this.users = [];
    this.claims = [];
    this.asksToPoll = false;
    this.echo = undefined;
    this.waiting = 0;
  }
}

function parts<T>(entries: readonly T[]): T[][] {
  const count = Math.ceil(entries.length / MAX_ENTRIES);
  return Array.from({ length: count }, (_, part) => entries.slice(part * MAX_ENTRIES, (part + 1) * MAX_ENTRIES));
}
