/** A task and what to do with its result. Results are taken in the order of the jobs. */
import type { Task, TaskResult } from './task.js';

export interface Job {
  readonly task: Task;
  /** Events it looks at, for the progress. */
  readonly events: number;
  take(result: TaskResult): void;
}

/** Those who do the tasks. */
export interface Crew {
  run(task: Task): Promise<TaskResult>;
  /** Ends them, whatever they are doing. */
  close(): Promise<void>;
}

/**
 * Hands out jobs, at most `windowMax` before the first of them is answered, so that memory does not grow with the database.
 * `onDone` is called as soon as a task is done, in whatever order.
 */
export async function doInOrder(
  jobs: AsyncIterable<Job>,
  crew: Crew,
  windowMax: number,
  onDone: (job: Job) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const underWay: { job: Job; result: Promise<TaskResult> }[] = [];
  const takeFirst = async () => {
    const { job, result } = underWay.shift()!;
    job.take(await result);
  };
  for await (const job of jobs) {
    signal?.throwIfAborted();
    const result = crew.run(job.task);
    result.then(
      () => onDone(job),
      () => {}, // told to whoever waits for the result
    );
    underWay.push({ job, result });
    if (underWay.length >= windowMax) await takeFirst();
  }
  while (underWay.length > 0) await takeFirst();
}
