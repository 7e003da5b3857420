/** What an auditor keeps of one event, fetched while the service runs and written to files. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface EvidenceWish {
  readonly url: string;
  readonly apiKey: string;
  readonly tenantId: string;
  readonly storeId: string;
  readonly eventId: string;
  readonly sequence: number;
  /** Head of the stream. */
  readonly head: number;
  /** Made if it is missing. Files of an earlier run are removed, others stay. */
  readonly directory: string;
}

/** The files, by what they hold. */
export const EVIDENCE = {
  keys: 'sequencer-keys.json',
  agentKeys: 'agent-keys.json',
  event: 'event.json',
  tlogProof: 'event.tlog-proof',
  cose: 'event.cose',
  oldCheckpoint: 'old.checkpoint',
  newCheckpoint: 'new.checkpoint',
  consistency: 'consistency.json',
  commitment: 'commitment.json',
  commitmentProof: 'commitment-proof.json',
} as const;

const COMMITMENT_TRIES = 20;
const COMMITMENT_PAUSE_MS = 500;

/** Fetches and writes everything. @throws Error when an answer is not what it should be */
export async function gatherEvidence(wish: EvidenceWish): Promise<void> {
  const { tenantId, storeId, eventId, sequence, head, directory } = wish;
  mkdirSync(directory, { recursive: true });
  for (const file of Object.values(EVIDENCE)) rmSync(join(directory, file), { force: true });
  const stream = `tenant_id=${tenantId}&store_id=${storeId}`;
  const save = (file: string, bytes: Uint8Array) => writeFileSync(join(directory, file), bytes);

  await commit(wish, stream);
  save(EVIDENCE.keys, await get(wish, '/.well-known/ves-sequencer'));
  const event = await get(wish, `/api/v1/ves/events/${eventId}?tenant_id=${tenantId}&receipt=both`);
  save(EVIDENCE.event, event);
  const { envelope } = JSON.parse(event.toString()) as { envelope: { source_agent_id: string } };
  const directoryOfKeys = `/api/v1/agents/${envelope.source_agent_id}/signing-keys?tenant_id=${tenantId}`;
  save(EVIDENCE.agentKeys, await get(wish, directoryOfKeys));
  const proof = `/api/v1/log/proof/${eventId}?tenant_id=${tenantId}`;
  save(EVIDENCE.tlogProof, await get(wish, proof));
  save(EVIDENCE.cose, await get(wish, proof, 'application/cose'));
  save(EVIDENCE.oldCheckpoint, await get(wish, `/api/v1/log/checkpoint?${stream}&size=${sequence}`));
  save(EVIDENCE.newCheckpoint, await get(wish, `/api/v1/log/checkpoint?${stream}&size=${head}`));
  save(
    EVIDENCE.consistency,
    await get(wish, `/api/v1/log/consistency?${stream}&from=${sequence}&to=${head}`),
  );
  const inclusion = await get(wish, `/api/v1/ves/proofs/${sequence}?${stream}`);
  save(EVIDENCE.commitmentProof, inclusion);
  const batch = (JSON.parse(inclusion.toString()) as { batch_id: string }).batch_id;
  save(EVIDENCE.commitment, await get(wish, `/api/v1/ves/commitments/${batch}`));
}

async function get(wish: EvidenceWish, path: string, accept = '*/*'): Promise<Buffer> {
  const response = await fetch(wish.url + path, { headers: { 'x-api-key': wish.apiKey, accept } });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`GET ${path} answered ${response.status}: ${body}`);
  return body;
}

/** The event is committed: by the service in the background, or now. */
async function commit(wish: EvidenceWish, stream: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const proof = await fetch(`${wish.url}/api/v1/ves/proofs/${wish.sequence}?${stream}`, {
      headers: { 'x-api-key': wish.apiKey },
    });
    await proof.arrayBuffer();
    if (proof.status === 200) return;
    const page = await get(wish, `/api/v1/ves/commitments?${stream}&anchored=all`);
    const { commitments } = JSON.parse(page.toString()) as { commitments: { sequence_end: number }[] };
    const from = Math.max(0, ...commitments.map((each) => each.sequence_end)) + 1;
    const body = {
      tenant_id: wish.tenantId,
      store_id: wish.storeId,
      sequence_start: from,
      sequence_end: wish.head,
    };
    const made = await fetch(`${wish.url}/api/v1/ves/commitments`, {
      method: 'POST',
      headers: { 'x-api-key': wish.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await made.text();
    // The background committer may have come first; then the next look finds its commitment.
    if (tries === COMMITMENT_TRIES) throw new Error(`no commitment covers event ${wish.sequence}: ${answer}`);
    if (made.status !== 200) await sleep(COMMITMENT_PAUSE_MS);
  }
}
