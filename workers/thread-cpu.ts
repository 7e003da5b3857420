import { readFileSync } from 'node:fs';

/** Clock ticks per second in /proc: fixed by the Linux ABI. */
const TICKS_PER_SECOND = 100;

/**
 * CPU time this thread has used, in microseconds, from /proc (10 ms resolution); 0 where there is no /proc. Node 20 only
 * knows the time of the whole process.
 */
export function threadCpuMicros(): number {
  try {
    // Field 2 is the name in parentheses and may hold spaces; user and system time are fields 14 and 15.
    const fields = readFileSync('/proc/thread-self/stat', 'latin1').split(') ').at(-1)!.split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}
