/** Who used how much CPU time, as far as they run on this machine. */
import { familyMicros, processMicros, residentBytes } from '../bench/proc.js';
import type { LocalTarget } from './target.js';

export interface Clocks {
  readonly atMs: number;
  readonly service: number;
  readonly postgres: number;
  readonly generator: number;
  readonly serviceBytes: number;
}

/** Microseconds of CPU time so far; zeros for a service elsewhere. */
export function readClocks(local: LocalTarget | undefined): Clocks {
  const own = process.cpuUsage();
  return {
    atMs: performance.now(),
    service: local ? processMicros(local.servicePid) : 0,
    postgres: local ? familyMicros(local.postgresPid) : 0,
    generator: own.user + own.system,
    serviceBytes: local ? residentBytes(local.servicePid) : 0,
  };
}

/** Processors kept busy, 1 being one processor all the time. `null`: not on this machine. */
export interface CpuReport {
  readonly service: number | null;
  readonly postgres: number | null;
  readonly generator: number;
}

export function cpuBetween(begin: Clocks, end: Clocks, isLocal: boolean): CpuReport {
  const micros = Math.max(1, (end.atMs - begin.atMs) * 1000);
  const share = (name: 'service' | 'postgres' | 'generator') =>
    Number(((end[name] - begin[name]) / micros).toFixed(2));
  return {
    service: isLocal ? share('service') : null,
    postgres: isLocal ? share('postgres') : null,
    generator: share('generator'),
  };
}
