import { availableParallelism, totalmem } from 'node:os';

/** The facts about this machine from which defaults are computed. */
export type Machine = {
  /** Processors this process may use. */
  readonly cpus: number;
  /** Memory this process may use, in bytes: the machine's or, if smaller, its container's. */
  readonly memoryBytes: number;
};

const MIB = 1024 ** 2;
const SHARED_BUFFERS_MIN = 128 * MIB;
const SHARED_BUFFERS_MAX = 4096 * MIB;

/** Reads the machine. `process.constrainedMemory()` answers 0 or an absurdly large number without a limit. */
export const inspectMachine = (): Machine => {
  const limit = process.constrainedMemory();
  const total = totalmem();
  return { cpus: availableParallelism(), memoryBytes: limit > 0 && limit < total ? limit : total };
};

/** One verifying thread per processor: verification is where the time goes. */
export const defaultVerifyThreads = ({ cpus }: Machine): number => Math.max(1, cpus);

/** One partition feeds up to four processors of verification; more than eight never pay. */
export const defaultPartitions = ({ cpus }: Machine): number =>
  cpus <= 4 ? 1 : Math.min(8, Math.floor(cpus / 4));

/**
 * 15 % of the memory, in whole MiB, from 128 MiB to 4 GiB. The ingest rate halves once the hot part of the event
 * table and its indexes outgrows the shared buffers, so the embedded server gets a real share of the machine.
 */
export const defaultSharedBuffers = ({ memoryBytes }: Machine): number => {
  const share = Math.floor((memoryBytes * 0.15) / MIB) * MIB;
  return Math.min(SHARED_BUFFERS_MAX, Math.max(SHARED_BUFFERS_MIN, share));
};
