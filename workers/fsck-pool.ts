/** The threads of `fsck`. */
import { Piscina } from 'piscina';
import type { Crew, FsckSetup, Task } from '../engine/fsck/index.js';

/** Starts `threads` workers, which connect to the database on their own. */
export async function createFsckPool(setup: FsckSetup, threads: number): Promise<Crew> {
  const pool = new Piscina({
    filename: new URL('./fsck.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    workerData: setup,
    // A worker asleep in Atomics.wait would not see what its database connection says.
    atomics: 'disabled',
  });
  return {
    run: (task: Task) => pool.run(task),
    close: () => pool.destroy(),
  };
}
