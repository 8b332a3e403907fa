import { readdirSync, readFileSync } from 'node:fs';
import { sum } from './statistics.mjs';

const INTERVAL_MS = 2_000;

/**
 * Watches how much of the processors programs take that do not belong to the benchmark: what `/proc/stat` counts in all
 * and this process and its descendants did not take. Linux only.
 *
 * @returns {() => number | undefined} stops, and answers with the share from 0 to 1; undefined where nothing is known
 */
export function watchOthers() {
  let before = read();
  let total = 0;
  let others = 0;
  const sample = () => {
    const now = read();
    if (!before || !now) return;
    // Processes that have begun or ended meanwhile are left out: their time counts as that of others.
    const own = sum([...now.own].map(([pid, time]) => Math.max(0, time - (before.own.get(pid) ?? time))));
    total += now.total - before.total;
    others += Math.max(0, now.busy - before.busy - own);
    before = now;
  };
  const timer = setInterval(sample, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    sample();
    return total === 0 ? undefined : others / total;
  };
}

/** Processor time so far, in the kernel's ticks. */
function read() {
  try {
    const [user, nice, system, idle, ioWait, irq, softIrq, steal] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const busy = user + nice + system + irq + softIrq + steal;
    return { busy, total: busy + idle + ioWait, own: ownTimes() };
  } catch {
    // Not Linux.
    return undefined;
  }
}

/** Of this process and its descendants, by process id. */
function ownTimes() {
  const processes = new Map();
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      processes.set(Number(pid), { parent: Number(fields[1]), time: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It has ended.
    }
  }
  const isOwn = pid => pid === process.pid || (processes.has(pid) && isOwn(processes.get(pid).parent));
  return new Map([...processes].filter(([pid]) => isOwn(pid)).map(([pid, { time }]) => [pid, time]));
}
