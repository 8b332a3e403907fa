/** The content of one message of a stream. */
export type StreamMessage = Record<string, unknown>;

/** A client of server-sent events that keeps all events. */
export class EventStream {
  /** The whole stream so far, as it came. */
  text = '';
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;

  private constructor(
    private readonly response: Response,
    private readonly controller: AbortController,
  ) {
    this.ended = this.read();
  }

  static async open(url: string, jar: ReadonlyMap<string, string>): Promise<EventStream> {
    const controller = new AbortController();
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { headers: { cookie }, signal: controller.signal });
    if (!response.ok) throw new Error(`the stream was refused: ${response.status} ${await response.text()}`);
    return new EventStream(response, controller);
  }

  get contentType(): string | null {
    return this.response.headers.get('content-type');
  }

  /** The data of the messages of that kind, in their order. */
  of(kind: string): StreamMessage[] {
    return this.text
      .split('\n\n')
      .filter(message => message.split('\n').includes(`event: ${kind}`))
      .map(message => /^data: (.*)$/m.exec(message)?.[1])
      .filter(data => data !== undefined)
      .map(data => JSON.parse(data) as StreamMessage);
  }

  async close(): Promise<void> {
    this.controller.abort();
    await this.ended;
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.response.body!) this.text += decoder.decode(chunk, { stream: true });
    } catch (error) {
      if (!this.controller.signal.aborted) throw error;
    }
  }
}
