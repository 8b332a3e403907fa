import type { ApplicationProcess } from './application-process.js';
import { APART_MS } from './checker.js';
import { type Credentials, credentialsOf, type Transport } from './credentials.js';
import type { Exchange } from './history.js';
import type { Random } from './random.js';
import { LEEWAY_MS, PATIENCE_MS } from './settings.js';
import type { Stage } from './stage.js';

/** The codes after which a client refreshes. Any other 401 ends its session. */
const NEEDS_REFRESH = new Set(['access_token_expired', 'access_token_invalid']);

const LOST_ANSWERS = 0.15;

/** For requests that are safe whenever they are carried out. */
const LONG_PATIENCE_MS = 10_000;

/** An honest client: a browser whose tabs share a cookie jar, or an application whose screens share its tokens. */
export class Client {
  credentials?: Credentials;
  private loggingIn?: Promise<void>;

  constructor(
    readonly name: string,
    private readonly transport: Transport,
    private readonly stage: Stage,
    private readonly random: Random,
  ) {}

  /** One tab, until the campaign is over. It sometimes refreshes before it has to. */
  async tab(): Promise<void> {
    const { stage } = this;
    const random = this.random.branch();
    while (!stage.isOver) {
      await stage.pause(random.between(200, 1_000));
      if (this.credentials && random.isTrue(0.2)) stage.copyAccess(this.credentials.access);
      if (!this.credentials) await this.logIn(random);
      else if (random.isTrue(0.02)) await this.logOut(random);
      else if (random.isTrue(0.25)) await this.refresh(random);
      else if (await this.needsRefresh(random)) await this.refresh(random);
    }
  }

  /**
   * An application in the background, until the campaign is over: it refreshes, and hardly ever uses its access token,
   * so that its successors stay unconfirmed.
   */
  async background(): Promise<void> {
    const { stage } = this;
    const random = this.random.branch();
    while (!stage.isOver) {
      await stage.pause(random.between(0.2, 1.5) * LEEWAY_MS);
      if (!this.credentials) await this.logIn(random);
      else if (random.isTrue(0.1)) await this.needsRefresh(random);
      while (!stage.isOver && this.credentials && (await this.refresh(random)) !== 200) await stage.pause(300);
    }
  }

  /** All tabs wait for one log-in. */
  logIn(random: Random): Promise<void> {
    this.loggingIn ??= this.logInOnce(random).finally(() => (this.loggingIn = undefined));
    return this.loggingIn;
  }

  private async logInOnce(random: Random): Promise<void> {
    const { stage, name, transport } = this;
    const from = stage.now;
    const headers: Record<string, string> = transport === 'bearer' ? { 'session-transport': 'bearer' } : {};
    const answer = await stage.send(
      random.pick(stage.processes),
      { path: '/login', method: 'POST', headers, body: { userId: name }, patience: LONG_PATIENCE_MS },
      { who: name, role: 'honest', action: 'log-in', userId: name },
    );
    if (answer?.status === 200) this.credentials = credentialsOf(transport, answer, { from, until: stage.now });
  }

  /** @returns whether the client has to refresh */
  async needsRefresh(random: Random, process = random.pick(this.stage.processes)): Promise<boolean> {
    const { credentials, stage } = this;
    if (!credentials) return false;
    const answer = await stage.use(this.name, 'honest', process, credentials.access, this.patience(random));
    if (answer?.status !== 401) return false;
    if (NEEDS_REFRESH.has(String(answer.body.errorCode))) return true;
    this.end(credentials);
    return false;
  }

  /** @returns the answer's status, if there was one in time */
  async refresh(random: Random): Promise<number | undefined> {
    const { credentials } = this;
    if (!credentials) return undefined;
    const answer = await refresh(this.name, 'honest', credentials, this.stage, random, this.patience(random));
    if (answer?.status === 401) this.end(credentials);
    return answer?.status;
  }

  /** Whether the process accepts the client's access token, which is refreshed where it does not count. */
  async isServedBy(process: ApplicationProcess, random: Random): Promise<boolean> {
    if (!this.credentials) await this.logIn(random);
    if (!this.credentials) return false;
    const { access } = this.credentials;
    const answer = await this.stage.use(this.name, 'honest', process, access, LONG_PATIENCE_MS);
    if (answer?.status === 401) await this.refresh(random);
    return answer?.status === 200;
  }

  private async logOut(random: Random): Promise<void> {
    const { credentials, stage } = this;
    if (!credentials) return;
    const { sessionId, refresh: presented } = credentials;
    // Whether it succeeds or not, the client forgets its tokens.
    this.end(credentials);
    const purpose = { who: this.name, role: 'honest', action: 'log-out', sessionId } as const;
    await stage.send(random.pick(stage.processes), { path: '/session/logout', method: 'POST', ...presented }, purpose);
  }

  private end(credentials: Credentials): void {
    this.stage.copyAccess(credentials.access);
    // Another tab may have logged in meanwhile.
    if (this.credentials?.sessionId === credentials.sessionId) this.credentials = undefined;
  }

  private patience(random: Random): number {
    return random.isTrue(LOST_ANSWERS) ? random.between(0, PATIENCE_MS) : PATIENCE_MS;
  }
}

/** Refreshes, and keeps what is answered in time. */
async function refresh(
  who: string,
  role: Exchange['role'],
  credentials: Credentials,
  stage: Stage,
  random: Random,
  patience = PATIENCE_MS,
) {
  const from = stage.now;
  const { sessionId } = credentials;
  const sending = { path: '/session/refresh', method: 'POST', ...credentials.refresh, patience };
  const answer = await stage.send(random.pick(stage.processes), sending, { who, role, action: 'refresh', sessionId });
  if (answer?.status === 200) {
    credentials.keep(answer, { from, until: stage.now });
  }
  return answer;
}

/**
 * A thief with a copy of a victim's tokens. Both take turns that are apart, so that one of them has to be refused
 * (docs/protocol.md, promise 2). The thief keeps all tokens and presents any of them.
 */
export class Theft {
  private readonly client: Client;
  private loot: Credentials[] = [];

  constructor(
    private readonly name: string,
    transport: Transport,
    private readonly stage: Stage,
    private readonly random: Random,
  ) {
    this.client = new Client(name, transport, stage, random.branch());
  }

  /** Robs one session after the other, until the campaign is over. */
  async run(): Promise<void> {
    while (!this.stage.isOver) await this.rob();
  }

  private async rob(): Promise<void> {
    const { client, stage, random } = this;
    while (!client.credentials && !stage.isOver) {
      await client.logIn(random);
      await stage.pause(300);
    }
    for (let round = random.between(0, 3); round > 0; round--) await this.victimsTurn();
    const { credentials } = client;
    if (!credentials) return;
    this.loot = [credentials.copy()];
    stage.history.push({ kind: 'copied', at: stage.now, sessionId: credentials.sessionId });
    for (let isThief = random.isTrue(0.5); !stage.isOver; isThief = !isThief) {
      await stage.pause(APART_MS);
      if (isThief ? !(await this.thiefsTurn()) : !(await this.victimsTurn())) return;
    }
  }

  /** @returns whether the session goes on */
  private async victimsTurn(): Promise<boolean> {
    const { client, stage, random } = this;
    while (!stage.isOver && client.credentials && (await client.refresh(random)) !== 200) await stage.pause(500);
    await client.needsRefresh(random);
    return client.credentials !== undefined;
  }

  /** @returns whether the session goes on */
  private async thiefsTurn(): Promise<boolean> {
    const { name, stage, random } = this;
    while (!stage.isOver) {
      const used = random.pick(this.loot).copy();
      const answer = await refresh(`thief of ${name}`, 'thief', used, stage, random);
      if (answer?.status === 401) return false;
      if (answer?.status === 200) {
        this.loot.push(used);
        if (random.isTrue(0.7)) await stage.use(`thief of ${name}`, 'thief', this.anyProcess, used.access);
        return true;
      }
      await stage.pause(500);
    }
    return false;
  }

  private get anyProcess(): ApplicationProcess {
    return this.random.pick(this.stage.processes);
  }
}

/** A thief with copies of access tokens, also of sessions that have ended. */
export async function presentCopies(stage: Stage, random: Random): Promise<void> {
  while (!stage.isOver) {
    await stage.pause(random.between(50, 300));
    if (stage.copies.length === 0) continue;
    await stage.use('thief of access tokens', 'thief', random.pick(stage.processes), random.pick(stage.copies));
  }
}
