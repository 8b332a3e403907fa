import { ApplicationProcess } from './application-process.js';
import { check, type Violation } from './checker.js';
import { Cluster } from './cluster.js';
import type { Entry } from './history.js';
import type { Mutation } from './mutations.js';
import { Nemesis, operate, Secrets } from './nemesis.js';
import type { Machine } from './postgres-server.js';
import { Client, presentCopies, Theft } from './people.js';
import { type Fault, FAULTS, planFaults } from './plan.js';
import { Random } from './random.js';
import { ResourceWatch } from './resources.js';
import { type Feed, MAX_STALENESS_MS, type Mode } from './settings.js';
import { Stage } from './stage.js';

export interface CampaignOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly processes: number;
  readonly clients: number;
  readonly thefts: number;
  readonly mode: Mode;
  readonly feed?: Feed;
  /** The oldest sessions of a user beyond it end. */
  readonly maxPerUser?: number;
  readonly machine?: Machine;
  readonly faults?: readonly Fault[];
  readonly mutation?: Mutation;
  readonly log?: (line: string) => void;
}

export interface Outcome {
  readonly violations: readonly Violation[];
  readonly history: readonly Entry[];
  readonly faults: ReadonlyMap<Fault, number>;
  /** The last output of each process, by its name. */
  readonly output: ReadonlyMap<string, string>;
}

/** Within this time every client must be served again, also on a slow machine. */
const RECOVERY_MS = 180_000;

/** Processes, people, thieves, operators and faults, for a while; then their history is checked. */
export async function runCampaign(options: CampaignOptions): Promise<Outcome> {
  const { seed, seconds, processes: count, mode, feed = 'notify', faults = FAULTS, log = () => undefined } = options;
  const random = new Random(seed);
  const cluster = await Cluster.start(options.machine);
  const secrets = new Secrets();
  const processes: ApplicationProcess[] = [];
  const stage = new Stage(processes);
  const reports = {
    theft: ({ sessionId, class: theftClass }: { sessionId: string; class: string }, process: string) =>
      stage.history.push({ kind: 'theft', at: stage.now, sessionId, class: theftClass, process }),
    defect: (description: string) => stage.history.push({ kind: 'defect', at: stage.now, description }),
  };
  try {
    for (let index = 0; index < count; index++) {
      const name = `process ${index}`;
      const platform = index % 2 === 0 ? 'express' : 'fastify';
      const settings = {
        mutation: options.mutation,
        platform,
        secrets: secrets.current,
        maxPerUser: options.maxPerUser,
        revocation: { mode, feed, maxStaleness: `${MAX_STALENESS_MS}ms` },
      } as const;
      processes.push(await ApplicationProcess.create(name, await cluster.network(), settings, reports));
    }
    await Promise.all(processes.map(process => process.start()));
    stage.begin();
    const nemesis = new Nemesis(stage, cluster, secrets, random.branch(), log);
    const resources = new ResourceWatch(stage, cluster, log);
    const watching = resources.run();
    const { clients, everybody } = begin(stage, random, options);
    await nemesis.run(planFaults(random.branch(), seconds * 1_000, faults, count));
    await stage.pause(seconds * 1_000 - stage.now);
    log(`${(stage.now / 1_000).toFixed(1)} s: the last fault is over`);
    await recover(stage, clients, random.branch());
    log(`${(stage.now / 1_000).toFixed(1)} s: every client is served`);
    await resources.checkConnections();
    stage.isOver = true;
    await Promise.all([everybody, watching]);
    const output = new Map(processes.map(process => [process.name, process.lastOutput]));
    return { violations: check(stage.history, mode), history: stage.history, faults: nemesis.counts, output };
  } finally {
    stage.isOver = true;
    await Promise.all(processes.map(process => process.stop()));
    await cluster.stop();
  }
}

function begin(stage: Stage, random: Random, { clients: count, thefts }: CampaignOptions) {
  const transports = ['cookie', 'bearer'] as const;
  const clients = Array.from(
    { length: count },
    (_, index) => new Client(`user ${index}`, transports[index % 2]!, stage, random.branch()),
  );
  const robbed = Array.from(
    { length: thefts },
    (_, index) => new Theft(`victim ${index}`, transports[index % 2]!, stage, random.branch()),
  );
  const users = clients.map(({ name }) => name);
  const everybody = Promise.all([
    ...clients.flatMap((client, index) =>
      index % 4 < 2 ? [client.background()] : Array.from({ length: index % 4 }, () => client.tab()),
    ),
    ...robbed.map(theft => theft.run()),
    presentCopies(stage, random.branch()),
    operate(stage, random.branch(), users),
  ]);
  return { clients, everybody };
}

/** After the last fault every client is served by every process. */
async function recover(stage: Stage, clients: readonly Client[], random: Random): Promise<void> {
  const until = stage.now + RECOVERY_MS;
  await Promise.all(
    clients.flatMap(client =>
      stage.processes.map(async process => {
        while (!(await client.isServedBy(process, random))) {
          if (stage.now > until) {
            const description = `${client.name} is not served by ${process.name} after the last fault`;
            return void stage.history.push({ kind: 'not-recovered', at: stage.now, description });
          }
          await stage.pause(500);
        }
      }),
    ),
  );
}
