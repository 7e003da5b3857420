/** A thread that builds requests: signing is the dear part of a load test, and both cores can do it beforehand. */
import { parentPort, workerData } from 'node:worker_threads';
import { buildRequests, type RequestPlan } from './requests.js';

const block = buildRequests(workerData as RequestPlan);
parentPort!.postMessage(
  block,
  Object.values(block).map((column) => column.buffer),
);
