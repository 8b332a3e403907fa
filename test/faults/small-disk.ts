import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { identity } from '../../lib/schematics/database/binaries.js';

const MEGABYTES = 600;
const BLOCK = Buffer.alloc(1024 * 1024);

/** A file system of its own, in memory, for the folder of a database server. It can be filled up. */
export class SmallDisk {
  private constructor(private readonly folder: string) {}

  /** @returns undefined where this process may not mount */
  static mount(folder: string): SmallDisk | undefined {
    mkdirSync(folder, { recursive: true });
    const { uid = process.getuid?.(), gid = process.getgid?.() } = identity;
    const options = `size=${MEGABYTES}m,mode=700,uid=${uid},gid=${gid}`;
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
    return status === 0 ? new SmallDisk(folder) : undefined;
  }

  fill(): void {
    const file = openSync(this.ballast, 'w');
    try {
      // The last block is cut: what is written in the end is smaller than what was given.
      for (let size = BLOCK.length; size > 0; size = writeSync(file, BLOCK, 0, size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  empty(): void {
    rmSync(this.ballast, { force: true });
  }

  unmount(): void {
    spawnSync('umount', ['--lazy', this.folder]);
  }

  private get ballast(): string {
    return join(this.folder, 'ballast');
  }
}
