import { type AnnouncerSubscription, RevocationAnnouncer } from '../index.js';

/** The part of a client of ioredis or iovalkey that is used here: their own types must not be published. */
export interface RedisClient {
  readonly status: string;
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  duplicate(options: object): RedisClient;
  on(event: 'message', listener: (channel: string, message: string) => void): unknown;
  on(event: 'error' | 'end', listener: () => void): unknown;
  disconnect(): void;
}

/** A client in these states keeps commands until it is connected again, which may be much later. */
const DISCONNECTED = ['reconnecting', 'close', 'end'];

/** How the connection of a subscription differs: the module makes another one when it is lost. */
const SUBSCRIBER = { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5_000 };

/** Announces revocations by PUBLISH and SUBSCRIBE of Valkey or Redis. Nothing is stored there. */
export class RedisAnnouncer extends RevocationAnnouncer {
  /**
   * @param client a client of ioredis or iovalkey, which publishes. Its options are those of the connection that
   * subscribes. The application closes it.
   */
  constructor(private readonly client: RedisClient) {
    super();
  }

  override async announce(channel: string, message: string): Promise<void> {
    if (DISCONNECTED.includes(this.client.status)) throw new Error('the Redis client is not connected');
    await this.client.publish(channel, message);
  }

  override async listen(
    channels: readonly string[],
    receive: (message: string) => void,
    lost: () => void,
  ): Promise<AnnouncerSubscription> {
    let isWanted = true;
    const subscriber = this.client.duplicate(SUBSCRIBER);
    subscriber.on('message', (_, message) => receive(message));
    // `end` comes after each.
    subscriber.on('error', () => undefined);
    subscriber.on('end', () => {
      if (isWanted) lost();
    });
    const close = () => {
      isWanted = false;
      subscriber.disconnect();
    };
    try {
      await subscriber.subscribe(...channels);
    } catch (error) {
      close();
      throw error;
    }
    return { close: async () => close() };
  }
}
