/** The agents' processes. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AgentDone, AgentMessage, AgentOrder, AgentProgress } from './messages.js';

const AGENT = fileURLToPath(new URL('./agent-process.js', import.meta.url));

export interface Agents {
  /** Resolves when every agent has reported its end or has died. */
  readonly done: Promise<AgentDone[]>;
  /** Ends all of them at once. */
  kill(): void;
}

export function startAgents(
  orders: readonly AgentOrder[],
  onProgress: (progress: AgentProgress) => void,
): Agents {
  const children: ChildProcess[] = [];
  const ends = orders.map(
    (order) =>
      new Promise<AgentDone>((resolve) => {
        const child = fork(AGENT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
        children.push(child);
        child.on('message', (message: AgentMessage) => {
          if (message.type === 'done') resolve(message);
          else onProgress(message);
        });
        const lost = (reason: string) =>
          resolve({ type: 'done', faults: [`${order.name}: its process ended (${reason})`], forgedIds: [] });
        child.on('error', (error) => lost(error.message));
        child.on('exit', (code, signal) => lost(String(signal ?? code)));
        child.send(order);
      }),
  );
  return {
    done: Promise.all(ends),
    kill() {
      for (const child of children) if (child.exitCode === null) child.kill('SIGTERM');
    },
  };
}
