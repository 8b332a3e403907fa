/** A subscription of a `RevocationAnnouncer`. */
export interface AnnouncerSubscription {
  /** Ends the subscription. No message is received afterwards. */
  close(): Promise<void>;
}

/**
 * Carries announcements of revocations between processes, in place of PostgreSQL's NOTIFY: option
 * `revocation.announcer`. An announcement is a hint that a process learns of early. What it says counts until the next
 * poll of the database, and no longer unless that poll confirms it, so that messages may be lost, repeated, late or
 * forged. Each poll announces a random value, and announcements count as working while the process receives its own.
 */
export abstract class RevocationAnnouncer {
  /**
   * Sends a message to every process that listens on the channel, this one included. It is called for one message at a
   * time, and given up after five seconds.
   *
   * @param channel up to 64 letters, digits and underscores
   * @param message JSON of at most 100,000 characters
   * @throws Error if the message cannot be sent now; it is not sent again
   */
  abstract announce(channel: string, message: string): Promise<void>;

  /**
   * Receives the messages of channels from now on.
   *
   * @param receive called with each message
   * @param lost called once when the subscription has ended by itself; another one is made then
   * @throws Error if there is no subscription within five seconds
   */
  abstract listen(
    channels: readonly string[],
    receive: (message: string) => void,
    lost: () => void,
  ): Promise<AnnouncerSubscription>;
}
