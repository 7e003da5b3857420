import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 10;

/**
 * When a process started, in a form that only serves for comparison; `undefined` when there is no such process. A
 * process that has ended and only waits for its parent to notice does not count.
 */
export const startOf = (pid: number): string | undefined => {
  if (process.platform === 'linux') {
    try {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // proc(5): field 2 is the name in parentheses and may hold anything; 3 is the state and 22 the start time.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${boot}/${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  const answer = ps(pid, 'lstart=');
  return answer === '' ? undefined : answer;
};

const ps = (pid: number, column: string): string =>
  (spawnSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '').trim();

/** Whether a process is the PostgreSQL server of a cluster: the server's working directory is the cluster's. */
export const isServerOf = (pid: number, cluster: string): boolean => {
  if (startOf(pid) === undefined) return false;
  if (process.platform !== 'linux') return ps(pid, 'command=').includes(cluster);
  try {
    const working = statSync(`/proc/${pid}/cwd`);
    const expected = statSync(cluster);
    return working.dev === expected.dev && working.ino === expected.ino;
  } catch {
    return false;
  }
};

/** Waits until a process has ended; answers whether it has within the time. */
export const waitForEnd = async (pid: number, timeoutMs: number): Promise<boolean> => {
  const deadline = performance.now() + timeoutMs;
  while (startOf(pid) !== undefined) {
    if (performance.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
};

const IMMEDIATE_SHUTDOWN_MS = 5000;

/**
 * Ends a PostgreSQL server: SIGINT (fast: sessions are cut, a checkpoint is written), after the time SIGQUIT
 * (immediate: the next start recovers from the log), and SIGKILL at last. Nothing acknowledged is lost in any of them.
 */
export const endServer = async (pid: number, fastShutdownMs: number): Promise<void> => {
  const steps = [
    ['SIGINT', fastShutdownMs],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
    ['SIGKILL', IMMEDIATE_SHUTDOWN_MS],
  ] as const;
  for (const [signal, waitMs] of steps) {
    try {
      process.kill(pid, signal);
    } catch {
      return; // it has ended already
    }
    if (await waitForEnd(pid, waitMs)) return;
  }
};
