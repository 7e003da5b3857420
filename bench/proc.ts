/** CPU time and memory of other processes and their threads, from /proc (Linux). */
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second in /proc: fixed by the Linux ABI. */
const TICKS_PER_SECOND = 100;
const MICROS_PER_TICK = 1_000_000 / TICKS_PER_SECOND;
const PAGE_BYTES = 4096;

/** CPU time in microseconds, by thread or process name. */
export type CpuTimes = ReadonlyMap<string, number>;

/** The fields of a `stat` file behind the name, which may hold spaces and parentheses. */
function statFields(path: string): { name: string; fields: string[] } | undefined {
  try {
    const text = readFileSync(path, 'latin1');
    const nameEnd = text.lastIndexOf(')');
    return {
      name: text.slice(text.indexOf('(') + 1, nameEnd),
      fields: text.slice(nameEnd + 2).split(' '),
    };
  } catch {
    return undefined; // it has ended
  }
}

/** Time on a processor in microseconds; to the nanosecond where the kernel counts so, else to 10 ms. */
function taskMicros(directory: string): number {
  try {
    const nanos = Number(readFileSync(`${directory}/schedstat`, 'latin1').split(' ')[0]);
    if (nanos > 0) return nanos / 1000;
  } catch {
    // not compiled in, or the thread has ended
  }
  const stat = statFields(`${directory}/stat`);
  return stat ? (Number(stat.fields[11]) + Number(stat.fields[12])) * MICROS_PER_TICK : 0;
}

/**
 * CPU time of a process by thread: `main`, each thread that has a name of its own, and `runtime` for the rest (garbage
 * collection, compilation, file system).
 */
export function threadTimes(pid: number): CpuTimes {
  const times = new Map<string, number>();
  for (const tid of entries(`/proc/${pid}/task`)) {
    const directory = `/proc/${pid}/task/${tid}`;
    const name = statFields(`${directory}/stat`)?.name;
    if (name === undefined) continue;
    const stage = Number(tid) === pid ? 'main' : /^(verify|partition|proof)-/.test(name) ? name : 'runtime';
    times.set(stage, (times.get(stage) ?? 0) + taskMicros(directory));
  }
  return times;
}

/** CPU time of a process and all its threads, those that have ended included, in microseconds. */
export function processMicros(pid: number): number {
  const stat = statFields(`/proc/${pid}/stat`);
  return stat ? (Number(stat.fields[11]) + Number(stat.fields[12])) * MICROS_PER_TICK : 0;
}

/** CPU time of a server, its present children and those it has outlived, in microseconds. */
export function familyMicros(pid: number): number {
  const stat = statFields(`/proc/${pid}/stat`);
  if (!stat) return 0;
  const ended = (Number(stat.fields[13]) + Number(stat.fields[14])) * MICROS_PER_TICK;
  let micros = taskMicros(`/proc/${pid}`) + ended;
  for (const child of childrenOf(pid)) micros += taskMicros(`/proc/${child}`);
  return micros;
}

function childrenOf(pid: number): number[] {
  return entries('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => Number(statFields(`/proc/${candidate}/stat`)?.fields[1]) === pid);
}

/** Resident memory in bytes; 0 when the process has ended. */
export function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Ticks of all processors together: given by the host to others ("steal"), idle, and all. */
export function hostTicks(): { stolen: number; idle: number; all: number } {
  try {
    const line = readFileSync('/proc/stat', 'latin1').split('\n')[0]!;
    const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
    const [, , , idle = 0, waiting = 0, , , stolen = 0] = ticks;
    return { stolen, idle: idle + waiting, all: ticks.reduce((a, b) => a + b, 0) };
  } catch {
    return { stolen: 0, idle: 0, all: 0 };
  }
}
