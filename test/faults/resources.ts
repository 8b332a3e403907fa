import type { Cluster } from './cluster.js';
import type { Stage } from './stage.js';

/** The resources of a process, after a garbage collection. */
interface Resources {
  readonly pid: number;
  readonly heap: number;
  readonly handles: number;
}

interface Sample extends Resources {
  readonly at: number;
}

const INTERVAL_MS = 60_000;

/** Less is no leak: connections that are closing, caches. */
const MAX_HEAP_GROWTH = 30 * 2 ** 20;
const MAX_HANDLES_GROWTH = 100;

/** A process begins to count when its caches are warm. It is compared with itself ten minutes later. */
const WARM_UP_MS = 60_000;
const DURATION_MS = 600_000;

/** A pool of five, the connection that listens, and one that is being replaced. */
const MAX_CONNECTIONS = 7;

/**
 * Looks every minute at what each process holds, and reports a leak: for campaigns without faults that end processes
 * (`--faults 'partition,database restarted'`), by hand only.
 */
export class ResourceWatch {
  private readonly first = new Map<number, Sample>();

  constructor(
    private readonly stage: Stage,
    private readonly cluster: Cluster,
    private readonly log: (line: string) => void,
  ) {}

  async run(): Promise<void> {
    const { stage } = this;
    while (!stage.isOver) {
      await stage.pause(INTERVAL_MS);
      if (stage.isOver) return;
      for (const process of stage.processes) await this.look(process.name, process.url);
    }
  }

  private async look(name: string, url: string): Promise<void> {
    const { stage } = this;
    const resources = await this.ask(url);
    if (!resources) return;
    const { pid, heap, handles } = resources;
    this.log(`${(stage.now / 1_000).toFixed()} s: ${name} holds ${(heap / 2 ** 20).toFixed(1)} MB, ${handles} handles`);
    const first = this.first.get(pid);
    if (!first) {
      if (stage.now > WARM_UP_MS / 2) this.first.set(pid, { ...resources, at: stage.now });
      return;
    }
    if (stage.now - first.at < DURATION_MS - INTERVAL_MS) return;
    if (heap - first.heap < MAX_HEAP_GROWTH && handles - first.handles < MAX_HANDLES_GROWTH) return;
    const description = `${name} leaks: ${first.heap} → ${heap} bytes, ${first.handles} → ${handles} handles`;
    stage.history.push({ kind: 'defect', at: stage.now, description });
  }

  private async ask(url: string): Promise<Resources | undefined> {
    try {
      const response = await fetch(`${url}/resources`, { signal: AbortSignal.timeout(10_000) });
      return response.ok ? ((await response.json()) as Resources) : undefined;
    } catch {
      // The process is suspended, or there is none.
      return undefined;
    }
  }

  /** To be called after the last fault: connections that were given up must be gone. */
  async checkConnections(): Promise<void> {
    const { stage } = this;
    const [row] = await this.cluster.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
    );
    const most = stage.processes.length * MAX_CONNECTIONS;
    if (row!.count <= most) return;
    const description = `the database has ${row!.count} connections of ${stage.processes.length} processes`;
    stage.history.push({ kind: 'defect', at: stage.now, description });
  }
}
