import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../../bench/proc.js';
import type { Session } from '../session.js';
import { startSubscribers } from '../subscribers.js';
import type { ScenarioResult } from './index.js';

/** Time for the service to be done with what came before, and with the hellos. */
const SETTLE_MS = 2_000;
const KB = 1024;

/** Connections that said hello and do nothing more. */
export async function runIdle(session: Session): Promise<ScenarioResult> {
  const { faults, ...figures } = await measureIdle(session, session.options.sockets);
  return { rows: [], figures, faults };
}

/** Resident memory of the service per idle connection; 0 for a service elsewhere. */
export async function measureIdle(session: Session, sockets: number) {
  const { host, port, apiKey, local } = session.target;
  const resident = () => (local ? residentBytes(local.servicePid) : 0);
  const thread = startSubscribers();
  try {
    await sleep(SETTLE_MS);
    const before = resident();
    session.say(`opening ${sockets} connections …`);
    const begin = performance.now();
    await thread.open({ host, port, apiKey, sockets });
    const seconds = (performance.now() - begin) / 1000;
    await sleep(SETTLE_MS);
    const kilobytes = (resident() - before) / KB / sockets;
    const { faults } = await thread.close();
    return {
      sockets,
      opened_per_second: Math.round(sockets / seconds),
      kilobytes_per_connection: Number(kilobytes.toFixed(2)),
      faults,
    };
  } catch (error) {
    await thread.close().catch(() => {});
    throw error;
  }
}
