import { Worker } from 'node:worker_threads';
import type { RequestBlock, RequestPlan } from './requests.js';

/** Builds requests in `threads` threads; one block each, with event mixes of their own. */
export async function prepareRequests(plan: RequestPlan, threads: number): Promise<RequestBlock[]> {
  const share = Math.ceil(plan.requests / threads);
  return Promise.all(
    Array.from({ length: threads }, (_, i) =>
      buildInThread({ ...plan, requests: share, mix: { ...plan.mix, seed: plan.mix.seed * threads + i } }),
    ),
  );
}

function buildInThread(plan: RequestPlan): Promise<RequestBlock> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./requests-thread.js', import.meta.url), { workerData: plan });
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}
