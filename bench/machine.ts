import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** Where a result comes from. */
export interface MachineDescription {
  readonly date: string;
  readonly processor: string;
  /** Processors this process may use. */
  readonly processors: number;
  readonly memory_gib: number;
  readonly system: string;
  readonly node: string;
  readonly openssl: string;
  readonly commit: string;
}

export function describeMachine(): MachineDescription {
  return {
    date: new Date().toISOString(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: availableParallelism(),
    memory_gib: Math.round(totalmem() / 1024 ** 3),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    commit: commit(),
  };
}

/** The commit, with a plus sign when there are changes on top; `unknown` outside a clone. */
function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}
