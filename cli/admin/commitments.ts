/** `ves-commit`, `ves-commit-and-anchor`. */
import type { Command } from 'commander';
import { commitmentCreated, createCommitmentService } from '../../engine/commitments/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import { readVesHead } from '../../engine/store/heads.js';
import { lastVesCommitment } from '../../engine/store/ves-commitments.js';
import { sha256Into } from '../../workers/native-crypto.js';
import {
  type AdminContext,
  type CommonOptions,
  databaseCommand,
  type Outcome,
  runOnDatabase,
  uuidArgument,
  wholeArgument,
} from './command.js';

const EVENTS_DEFAULT = 1024;
const EVENTS_MAX = 1_000_000;

interface Options extends CommonOptions {
  readonly tenantId: string;
  readonly storeId: string;
  readonly sequenceStart?: number;
  readonly sequenceEnd?: number;
  readonly maxEvents: number;
}

const NOT_CONFIGURED =
  'not anchored: this service has no chain of its own; a program that anchors finds the commitment at GET /v1/commitments/pending and reports it back to POST /v1/commitments/:batch_id/anchored';

const command = (name: string, description: string): Command =>
  databaseCommand(name, description)
    .requiredOption('--tenant-id <uuid>', 'the tenant', uuidArgument)
    .requiredOption('--store-id <uuid>', 'the store', uuidArgument)
    .option(
      '--sequence-start <n>',
      'first event; without it the one behind the last commitment',
      wholeArgument(1),
    )
    .option('--sequence-end <n>', 'last event; without it as many as --max-events allows', wholeArgument(1))
    .option('--max-events <n>', 'events of one commitment', wholeArgument(1, EVENTS_MAX), EVENTS_DEFAULT);

export const commitCommands = (): Command[] => [
  command('ves-commit', 'commit a range of a VES stream').action((options: Options) =>
    runOnDatabase(options, (context) => commit(context, options)),
  ),
  command(
    'ves-commit-and-anchor',
    'commit a range of a VES stream, and anchor it where anchoring is configured',
  ).action((options: Options) =>
    runOnDatabase(options, async (context) => {
      const { lines, json } = await commit(context, options);
      return {
        lines: [...lines, NOT_CONFIGURED],
        json: { ...json, anchored: false, anchoring: 'not configured' },
      };
    }),
  ),
];

async function commit({ sql, actor }: AdminContext, options: Options): Promise<Outcome> {
  const stream = { tenantId: options.tenantId, storeId: options.storeId };
  const head = await readVesHead(sql, stream.tenantId, stream.storeId);
  const last = await lastVesCommitment(sql, stream);
  const start =
    options.sequenceStart === undefined ? (last?.sequenceEnd ?? 0n) + 1n : BigInt(options.sequenceStart);
  const limit = start + BigInt(options.maxEvents) - 1n;
  const end = options.sequenceEnd === undefined ? (limit < head ? limit : head) : BigInt(options.sequenceEnd);
  if (end > limit)
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      `The range has more than --max-events ${options.maxEvents} events`,
    );
  if (start > head)
    return { lines: [`nothing to commit: the stream ends at ${head}`], json: { committed: false, head } };
  const service = createCommitmentService({ sql, sha256: sha256Into });
  const audit = actor && { ...commitmentCreated('ves_commitment', stream, start, end), ...actor };
  const made = await service.commitVes(stream, start, end, audit);
  return {
    lines: [
      `commitment ${made.batchId} covers the events ${made.sequenceStart} to ${made.sequenceEnd}`,
      `merkle root ${encodeHex(made.merkleRoot)}`,
      `state root  ${encodeHex(made.newStateRoot)}`,
    ],
    json: {
      committed: true,
      batch_id: made.batchId,
      sequence_start: made.sequenceStart,
      sequence_end: made.sequenceEnd,
      leaf_count: made.leafCount,
      merkle_root: encodeHex(made.merkleRoot),
      prev_state_root: encodeHex(made.prevStateRoot),
      new_state_root: encodeHex(made.newStateRoot),
    },
  };
}
