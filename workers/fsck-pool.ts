/** The threads of `fsck`. */
import { Piscina } from 'piscina';
import type { Crew, FsckSetup, Task } from '../engine/fsck/index.js';
import { POOL_EXEC_ARGV } from './pool-exec-argv.js';

/** Starts `threads` workers, which connect to the database on their own. */
export async function createFsckPool(setup: FsckSetup, threads: number): Promise<Crew> {
  const pool = new Piscina({
    filename: new URL('./fsck.js', import.meta.url).href,
    execArgv: POOL_EXEC_ARGV,
    minThreads: threads,
    maxThreads: threads,
    workerData: setup,
    // A worker asleep in Atomics.wait would not see what its database connection says.
    atomics: 'disabled',
  });
  // A worker that cannot connect ends before it has a task, and no other would be started in its place.
  const failed = new Promise<never>((_, reject) => {
    pool.once('error', reject);
  });
  failed.catch(() => {});
  pool.on('error', () => {});
  let closed: Promise<void> | undefined;
  return {
    run: (task: Task) => Promise.race([pool.run(task), failed]),
    close() {
      // Once: Piscina starts new workers when it is destroyed a second time before the first has ended.
      closed ??= pool.destroy();
      return closed;
    },
  };
}
