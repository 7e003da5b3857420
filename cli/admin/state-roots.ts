/** The chains of state roots through the commitments of VES streams: verified, and made right again where that can be done. */
import { equalBytes, parseUuid, vesStateRoot, vesStreamId } from '../../engine/protocol/index.js';
import type { CommitmentStream } from '../../engine/store/commitment-rows.js';
import type { Sql } from '../../engine/store/connection.js';
import { type LegacyCommitment, listLegacyCommitments } from '../../engine/store/legacy-commitments.js';
import { listVesCommitments, type VesCommitment } from '../../engine/store/ves-commitments.js';
import { nativeSha256 } from '../../workers/native-crypto.js';

const PAGE = 1000;
const GENESIS = new Uint8Array(32);

/** A commitment whose row is not what it should be. */
export interface WrongCommitment {
  readonly kind: 'ves' | 'legacy';
  readonly commitment: VesCommitment | LegacyCommitment;
  readonly problem: string;
  /** VES: the row as it should be; unset where that cannot be known. */
  readonly right?: VesCommitment;
}

/** Streams that have commitments, of all tenants or of those asked for. */
export async function committedStreams(
  sql: Sql,
  table: 'ves_commitments' | 'commitments',
  filter: { readonly tenantId?: string | undefined; readonly storeId?: string | undefined },
): Promise<CommitmentStream[]> {
  const rows = await sql<CommitmentStream[]>`
    select distinct tenant_id as "tenantId", store_id as "storeId" from ${sql(table)}
    where ${filter.tenantId === undefined ? sql`true` : sql`tenant_id = ${filter.tenantId}`}
      and ${filter.storeId === undefined ? sql`true` : sql`store_id = ${filter.storeId}`}
    order by 1, 2`;
  return [...rows];
}

/** Walks a stream's commitments; `onCommitment` is called for each. */
export async function checkVesChain(
  sql: Sql,
  stream: CommitmentStream,
  onCommitment: () => void,
): Promise<WrongCommitment[]> {
  const wrong: WrongCommitment[] = [];
  const ids = Buffer.concat([parseUuid(stream.tenantId)!, parseUuid(stream.storeId)!]);
  const streamId = vesStreamId(ids, nativeSha256);
  let before: VesCommitment | undefined;
  for await (const commitment of pages((after) =>
    listVesCommitments(sql, stream, { after, limit: PAGE, anchored: true }),
  )) {
    onCommitment();
    const prevStateRoot = before?.newStateRoot ?? GENESIS;
    const right: VesCommitment = {
      ...commitment,
      prevStateRoot,
      newStateRoot: vesStateRoot({ ...commitment, streamId, prevStateRoot }, nativeSha256),
    };
    const problem = rangeProblem(commitment, before) ?? rootProblem(commitment, right);
    if (problem !== undefined) wrong.push({ kind: 'ves', commitment, problem, right });
    // What follows is judged by what is right, so that one wrong row does not make all later ones wrong.
    before = right;
  }
  return wrong;
}

/** The same for legacy commitments, as far as their links tell: what their roots are the hash of is `fsck`'s business. */
export async function checkLegacyChain(
  sql: Sql,
  stream: CommitmentStream,
  onCommitment: () => void,
): Promise<WrongCommitment[]> {
  const wrong: WrongCommitment[] = [];
  let before: LegacyCommitment | undefined;
  for await (const commitment of pages((after) =>
    listLegacyCommitments(sql, stream, { after, limit: PAGE, anchored: true }),
  )) {
    onCommitment();
    const linked = equalBytes(commitment.prevStateRoot, before?.newStateRoot ?? GENESIS);
    const problem =
      rangeProblem(commitment, before) ??
      (linked ? undefined : 'prev_state_root is not the new_state_root of the commitment before it');
    if (problem !== undefined) wrong.push({ kind: 'legacy', commitment, problem });
    before = commitment;
  }
  return wrong;
}

async function* pages<Row extends { readonly sequenceStart: bigint }>(
  read: (after: bigint) => Promise<Row[]>,
): AsyncGenerator<Row> {
  let after = 0n;
  for (;;) {
    const page = await read(after);
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)!.sequenceStart;
  }
}

type Range = { readonly sequenceStart: bigint; readonly sequenceEnd: bigint };

function rangeProblem(commitment: Range, before: Range | undefined): string | undefined {
  if (before === undefined || commitment.sequenceStart === before.sequenceEnd + 1n) return undefined;
  return `it begins at ${commitment.sequenceStart}, the one before it ends at ${before.sequenceEnd}`;
}

function rootProblem(commitment: VesCommitment, right: VesCommitment): string | undefined {
  if (!equalBytes(commitment.prevStateRoot, right.prevStateRoot))
    return 'prev_state_root is not the new_state_root of the commitment before it';
  if (!equalBytes(commitment.newStateRoot, right.newStateRoot))
    return 'new_state_root does not follow from the row and the state root before it';
  return undefined;
}
