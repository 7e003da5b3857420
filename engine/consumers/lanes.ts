import { ServiceError } from '../errors/index.js';

/**
 * Work by name: one piece of a name at a time, a limited number at all, and names take turns. The transactions of a group wait for
 * each other anyhow; here they wait without holding a connection, and a busy group does not keep the others from theirs.
 */
export interface Lanes {
  /** @throws ServiceError OVERLOADED when too much of this name waits */
  run<Result>(name: string, work: () => Promise<Result>): Promise<Result>;
}

/** Most pieces of one name that wait. */
const WAITING_MAX = 1000;

export function createLanes(runningMax: number): Lanes {
  /** Waiting pieces of each name that has any, or one running. */
  const lanes = new Map<string, (() => Promise<void>)[]>();
  /** Names whose next piece may start, in turn. */
  const ready: string[] = [];
  let running = 0;

  const start = () => {
    while (running < runningMax && ready.length > 0) {
      const name = ready.shift()!;
      const lane = lanes.get(name)!;
      running++;
      void lane.shift()!().finally(() => {
        running--;
        if (lane.length > 0) ready.push(name);
        else lanes.delete(name);
        start();
      });
    }
  };

  return {
    run: (name, work) =>
      new Promise((resolve, reject) => {
        let lane = lanes.get(name);
        if (lane === undefined) {
          lane = [];
          lanes.set(name, lane);
          ready.push(name);
        }
        if (lane.length >= WAITING_MAX)
          return reject(
            new ServiceError('OVERLOADED', 'Too many calls of this group wait: use fewer, larger calls'),
          );
        lane.push(() => work().then(resolve, reject));
        start();
      }),
  };
}
