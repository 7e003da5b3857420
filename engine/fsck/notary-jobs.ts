/** The jobs of the notary log, and the view of it as a whole. */
import type { FsckCrypto } from './crypto.js';
import { createFindingList, findingOf } from './finding.js';
import { findBeyondNotary, notaryExtent, readNotaryState } from './global-rows.js';
import type { Job } from './jobs.js';
import { createLogAudit } from './log-audit.js';
import type { Results } from './results.js';
import type { Session } from './session.js';
import { CHUNK_EVENTS, type FsckSetup } from './task.js';
import { allRows, orUnreadable } from './unreadable.js';

export async function* notaryJobs(deps: {
  session: Session;
  setup: Pick<FsckSetup, 'findingsMax'>;
  crypto: Pick<FsckCrypto, 'sha256'>;
  results: Results;
}): AsyncGenerator<Job> {
  const { session, setup, crypto, results } = deps;
  const findings = createFindingList(setup.findingsMax);
  const state = await orUnreadable(allRows('notary_log'), findings, undefined, () =>
    readNotaryState(session),
  );
  const size = await orUnreadable(allRows('notary_entries'), findings, state?.size ?? 0, () =>
    notaryExtent(session, state, findings),
  );
  await orUnreadable(allRows('notary_roots'), findings, undefined, () =>
    findBeyondNotary(session, size, findings),
  );
  const log = createLogAudit(crypto.sha256, null, { leaf: 'entry', tiles: 'notary_tiles' }, findings);
  for (let from = 1; from === 1 || from <= size; from += CHUNK_EVENTS) {
    const to = Math.min(size, from + CHUNK_EVENTS - 1);
    yield {
      task: { kind: 'notary', from, to },
      events: 0,
      take(result) {
        results.add(result);
        for (const part of result.parts) log.add(part);
        if (to < size) return;
        const fault = state && log.checkEdge(state.frontier);
        const row = { table: 'notary_log', stream: null, row: 'the row', position: size };
        if (fault) findings.add(findingOf(row, [fault]));
        results.addConsequences(log.consequences);
        results.add({
          findings: findings.first,
          total: findings.total,
          counts: { notary_log: state ? 1 : 0 },
        });
      },
    };
  }
}
