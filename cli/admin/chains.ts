/** `verify-chain` and `backfill-ves-state-roots`. */
import type { Command } from 'commander';
import { ServiceError } from '../../engine/errors/index.js';
import { appendAudit } from '../../engine/store/audit-log.js';
import type { Sql, TransactionSql } from '../../engine/store/connection.js';
import { type VesCommitment, vesCommitmentRowCheck } from '../../engine/store/ves-commitments.js';
import { verifyDatabase } from './audit.js';
import {
  type AdminContext,
  type CommonOptions,
  confirm,
  databaseCommand,
  destructive,
  EXIT,
  type Outcome,
  runOnDatabase,
  uuidArgument,
} from './command.js';
import { createBar } from './progress.js';
import { checkLegacyChain, checkVesChain, committedStreams, type WrongCommitment } from './state-roots.js';

const LISTED_MAX = 20;

interface Options extends CommonOptions {
  readonly tenantId?: string;
  readonly storeId?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

const chainCommand = (name: string, description: string): Command =>
  databaseCommand(name, description)
    .option('--tenant-id <uuid>', 'only streams of this tenant', uuidArgument)
    .option('--store-id <uuid>', 'only streams of this store', uuidArgument);

export const chainCommands = (): Command[] => [verifyChain(), backfill()];

const verifyChain = () =>
  chainCommand(
    'verify-chain',
    'follow the state roots through all commitments, and the hashes through the audit log; exit code 1 when a chain is broken',
  ).action((options: Options) =>
    runOnDatabase(options, async (context) => {
      const commitments = await walk(context.sql, options, ['ves', 'legacy']);
      const audit = await verifyDatabase(context);
      const broken = commitments.wrong.length > 0 || audit.exitCode !== undefined;
      const counted = `${commitments.count} commitments of ${commitments.streams} streams`;
      const lines = [
        commitments.wrong.length === 0
          ? `${counted}, chains intact`
          : `${counted}, ${commitments.wrong.length} wrong`,
        ...describe(commitments.wrong),
        `audit log: ${audit.lines.join('\n')}`,
      ];
      const json = {
        commitments: {
          count: commitments.count,
          streams: commitments.streams,
          wrong: commitments.wrong.map(wrongJson),
        },
        audit: audit.json,
      };
      return { lines, json, ...(broken ? { exitCode: EXIT.no } : {}) };
    }),
  );

async function walk(sql: Sql, options: Options, kinds: readonly ('ves' | 'legacy')[]) {
  const bar = createBar('commitments', 0);
  const wrong: WrongCommitment[] = [];
  let count = 0;
  let streams = 0;
  const advance = () => bar.update(++count);
  try {
    for (const kind of kinds) {
      const found = await committedStreams(sql, kind === 'ves' ? 'ves_commitments' : 'commitments', options);
      streams += found.length;
      const check = kind === 'ves' ? checkVesChain : checkLegacyChain;
      for (const stream of found) wrong.push(...(await check(sql, stream, advance)));
    }
  } finally {
    bar.stop();
  }
  return { wrong, count, streams };
}

function describe(wrong: readonly WrongCommitment[]): string[] {
  const lines = wrong
    .slice(0, LISTED_MAX)
    .map(
      ({ kind, commitment, problem }) =>
        `${kind} ${commitment.tenantId}/${commitment.storeId} ${commitment.sequenceStart}..${commitment.sequenceEnd} (${commitment.batchId}): ${problem}`,
    );
  return wrong.length > LISTED_MAX ? [...lines, `and ${wrong.length - LISTED_MAX} more`] : lines;
}

const wrongJson = ({ kind, commitment, problem }: WrongCommitment) => ({
  kind,
  tenant_id: commitment.tenantId,
  store_id: commitment.storeId,
  batch_id: commitment.batchId,
  sequence_start: commitment.sequenceStart,
  sequence_end: commitment.sequenceEnd,
  problem,
});

const backfill = () =>
  destructive(
    chainCommand(
      'backfill-ves-state-roots',
      'compute the state roots of VES commitments anew from their Merkle roots, and replace those that are wrong',
    )
      .option('--dry-run', 'only tell what would be replaced', false)
      .option('--force', 'replace wrong roots; without it they are told, and nothing is written', false),
  ).action((options: Options) => runOnDatabase(options, (context) => backfillRoots(context, options)));

async function backfillRoots(context: AdminContext, options: Options): Promise<Outcome> {
  const { sql } = context;
  const { wrong, count, streams } = await walk(sql, options, ['ves']);
  const counted = `${count} commitments of ${streams} streams`;
  const json = { count, streams, wrong: wrong.map(wrongJson) };
  if (wrong.length === 0)
    return { lines: [`${counted}: all state roots are right`], json: { ...json, replaced: 0 } };
  if (options.dryRun)
    return {
      lines: [`${counted}: ${wrong.length} would be replaced`, ...describe(wrong)],
      json: { ...json, replaced: 0 },
    };
  if (!options.force)
    return {
      lines: [
        `${counted}: ${wrong.length} are wrong; nothing was written (--force replaces them)`,
        ...describe(wrong),
      ],
      json: { ...json, replaced: 0 },
      exitCode: EXIT.no,
    };
  const anchored = wrong.find(({ commitment }) => commitment.anchoredAtMicros !== null);
  if (anchored !== undefined)
    throw new ServiceError(
      'INVALID_STATE_TRANSITION',
      `Commitment ${anchored.commitment.batchId} is anchored with its present root: the chain outside cannot be rewritten, so neither is this one. Restore the database from a backup.`,
    );
  await confirm(options, `${wrong.length} commitments will get other state roots. Have a backup. Go on?`);
  await sql.begin(async (tx) => {
    await replaceRoots(
      tx,
      wrong.flatMap(({ right }) => right ?? []),
    );
    if (context.actor !== undefined)
      await appendAudit(tx, {
        action: 'custom:state_roots_backfilled',
        tenantId: options.tenantId ?? null,
        resourceType: 'ves_commitment',
        ...context.actor,
        details: {
          replaced: wrong.length,
          batch_ids: wrong.slice(0, 100).map(({ commitment }) => commitment.batchId),
        },
      });
  });
  return {
    lines: [`${counted}: ${wrong.length} state roots replaced`],
    json: { ...json, replaced: wrong.length },
  };
}

/** Commitments are immutable for everybody but the owner of the table, who says so for one transaction. */
async function replaceRoots(tx: TransactionSql, rows: readonly VesCommitment[]): Promise<void> {
  await tx`alter table ves_commitments disable trigger ves_commitments_immutable`;
  for (const row of rows)
    await tx`
      update ves_commitments set prev_state_root = ${row.prevStateRoot}, new_state_root = ${row.newStateRoot},
        row_check = ${vesCommitmentRowCheck(row)}
      where tenant_id = ${row.tenantId} and store_id = ${row.storeId} and sequence_start = ${row.sequenceStart}`;
  await tx`alter table ves_commitments enable trigger ves_commitments_immutable`;
}
