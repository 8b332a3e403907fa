import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.js';
import { CLOCK_FAULT, type Fault, OPERATIONS, type Planned } from './plan.js';
import type { Random } from './random.js';
import type { Operation } from './settings.js';
import type { Stage } from './stage.js';

/** Suspended or blocked for longer than a request may wait. */
const MIN_PAUSE_MS = 3_500;

const CLOCK_STEP_MS = 20_000;

/** Of the database: much less than the leeway, as docs/operating.md asks. */
const DATABASE_CLOCK_STEP_MS = 1_000;

/** How a server refuses connections: too many, a changed password, a start that is not over. */
const REFUSALS = ['53300', '28P01', '57P03'];

const DATABASE_FAULTS = new Set<Fault>([
  'backends killed',
  'disk full',
  'connections refused',
  'database restarted',
  'database crashed',
  'failover',
  'lossy failover',
  CLOCK_FAULT,
]);

/** Carries out the faults of a plan. */
export class Nemesis {
  /** How often each fault was carried out. */
  readonly counts = new Map<Fault, number>();
  private database: Promise<unknown> = Promise.resolve();
  private restart?: Promise<void>;

  constructor(
    private readonly stage: Stage,
    private readonly cluster: Cluster,
    private readonly secrets: Secrets,
    private readonly random: Random,
    private readonly log: (line: string) => void,
  ) {}

  /** Until the last fault is over. */
  async run(plan: readonly Planned[]): Promise<void> {
    const running: Promise<void>[] = [];
    for (const planned of plan) {
      await this.stage.pause(planned.at - this.stage.now);
      if (this.stage.isOver) break;
      running.push(this.begin(planned));
    }
    await Promise.all(running);
  }

  private async begin(planned: Planned): Promise<void> {
    const { fault } = planned;
    const carryOut = async () => {
      this.log(`${(this.stage.now / 1000).toFixed(1)} s: ${fault}`);
      await this.carryOut(planned);
      this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
    };
    // One fault of the database after the other. A rolling restart takes long on a slow machine: a second one is left out.
    if (DATABASE_FAULTS.has(fault)) await (this.database = this.database.then(carryOut));
    else if (fault === 'rolling restart') await (this.restart ??= carryOut().finally(() => (this.restart = undefined)));
    else await carryOut();
  }

  private async carryOut({ fault, process: index, lasts }: Planned): Promise<void> {
    const { cluster, stage } = this;
    const process = stage.processes[index]!;
    switch (fault) {
      case 'process killed':
        return process.signal('SIGKILL');
      case 'process suspended':
        process.signal('SIGSTOP');
        await stage.pause(MIN_PAUSE_MS + lasts);
        return process.signal('SIGCONT');
      case 'event loop blocked':
        process.order({ block: MIN_PAUSE_MS + lasts });
        return stage.pause(MIN_PAUSE_MS + lasts);
      case 'clock ahead':
      case 'clock back':
        process.order({ clockAhead: fault === 'clock ahead' ? CLOCK_STEP_MS : -CLOCK_STEP_MS });
        await stage.pause(lasts);
        return process.order({ clockAhead: 0 });
      case 'partition':
        process.network.refuse();
        await stage.pause(lasts);
        return process.network.restore();
      case 'silent network':
      case 'late statements':
      case 'late answers':
        process.network.stall(
          ({ 'silent network': 'both', 'late statements': 'requests', 'late answers': 'answers' } as const)[fault],
        );
        await stage.pause(MIN_PAUSE_MS + lasts);
        return process.network.restore();
      case 'backends killed':
        return cluster.killBackends();
      case 'disk full':
        await cluster.fillDisk();
        await stage.pause(lasts);
        return cluster.emptyDisk();
      case 'connections refused':
        cluster.refuseConnections(this.random.pick(REFUSALS));
        await cluster.killBackends();
        await stage.pause(lasts);
        return cluster.acceptConnections();
      case CLOCK_FAULT:
        cluster.setClock(this.random.isTrue(0.5) ? DATABASE_CLOCK_STEP_MS : -DATABASE_CLOCK_STEP_MS);
        await stage.pause(lasts);
        return cluster.setClock(0);
      case 'database restarted':
        return cluster.restart('SIGINT', lasts);
      case 'database crashed':
        return cluster.restart('SIGKILL', lasts);
      case 'failover':
        return cluster.failOver();
      case 'lossy failover':
        return this.loseCommits();
      case 'rolling restart':
        return this.replaceAll();
    }
  }

  private async loseCommits(): Promise<void> {
    const { stage } = this;
    const lag = this.random.between(300, 1_000);
    let from = Infinity;
    await this.cluster.failOverLossily(
      () => sleep(lag),
      () => (from = stage.now),
      () => stage.history.push({ kind: 'commits-lost', from, until: stage.now }),
    );
  }

  /** One process after the other, with the next step of changing the secret. */
  private async replaceAll(): Promise<void> {
    const secrets = this.secrets.next();
    for (const process of this.stage.processes) await process.replace({ secrets });
  }
}

/** The steps by which a secret is changed, as docs/operating.md says; the last one needs months and is left out. */
export class Secrets {
  private count = 1;
  private list = [secret(1)];
  private isNewestLast = false;

  get current(): string[] {
    return this.list;
  }

  next(): string[] {
    if (this.isNewestLast) this.list = [this.list.at(-1)!, ...this.list.slice(0, -1)];
    else this.list = [...this.list, secret(++this.count)];
    this.isNewestLast = !this.isNewestLast;
    return this.list;
  }
}

const secret = (number: number): string => `secret ${number} of a campaign against the sessions`;

/** Operators end, invalidate, rotate and look, one after the other. */
export async function operate(stage: Stage, random: Random, users: readonly string[]): Promise<void> {
  for (let change = 1; !stage.isOver; change++) {
    await stage.pause(random.between(300, 2_000));
    await stage.operate(random, operationOf(stage, random, users, change));
  }
}

function operationOf(stage: Stage, random: Random, users: readonly string[], change: number): Operation {
  const verb = random.pick(OPERATIONS);
  const userId = random.pick(users);
  switch (verb) {
    case 'log-out':
    case 'set-claims': {
      const sessionId = stage.lastSessionOf(userId);
      if (sessionId === undefined) return { verb: 'list', userId };
      return verb === 'log-out' ? { verb, sessionId } : { verb, sessionId, change };
    }
    case 'rotate-keys':
    case 'distrust-keys':
      return { verb };
    default:
      return { verb, userId };
  }
}
