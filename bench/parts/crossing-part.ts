/** The crossings of a request: body to a worker, rows to the sequencer thread, outcomes and reply back. */
import { MessageChannel } from 'node:worker_threads';
import { costOf, type PartCost } from './cost.js';

const ROUNDS = 15;
const TRIPS = 400;

/** Both ends run in this thread, so the cost of both is counted. */
export async function measureCrossings(eventBytes: number, batch: number): Promise<PartCost> {
  const { port1, port2 } = new MessageChannel();
  const legs = [eventBytes, 700, 32, 430].map((bytes) => bytes * batch);
  const cross = (bytes: number) =>
    new Promise<void>((resolve) => {
      const buffer = new ArrayBuffer(bytes);
      port2.once('message', () => resolve());
      port1.postMessage({ id: 1, buffer }, [buffer]);
    });
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const cpu = process.cpuUsage();
    for (let trip = 0; trip < TRIPS; trip++) for (const bytes of legs) await cross(bytes);
    const used = process.cpuUsage(cpu);
    if (round > 0) rounds.push((used.user + used.system) / TRIPS / batch);
  }
  port1.close();
  return costOf('crossing threads, four times', rounds, true);
}
