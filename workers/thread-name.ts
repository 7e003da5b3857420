import { writeFileSync } from 'node:fs';

/**
 * Names this thread for the operating system, so that `top -H`, `perf` and the bench can tell whose CPU time it is: 15
 * bytes at most. Node names its worker threads only for its own inspector. Does nothing where there is no /proc.
 */
export function nameThread(name: string): void {
  try {
    writeFileSync('/proc/thread-self/comm', name);
  } catch {
    // a convenience, never a reason to fail
  }
}
