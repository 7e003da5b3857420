import { startOf } from '../../engine/store/embedded-postgres-processes.js';

/** Whether a process exists and has not ended. */
export const isAlive = (pid: number): boolean => startOf(pid) !== undefined;
