/** The keys of an export: they come into the database with the events, or must be there already, unchanged. */
import { ServiceError } from '../../engine/errors/index.js';
import { checkPublicKey } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import type { ExportRecord } from './event-export.js';
import { bytesOf, type ImportKey, microsOf } from './event-import.js';

type SequencerKey = Extract<ExportRecord, { record: 'sequencer_key' }>;
type AgentKey = Extract<ExportRecord, { record: 'agent_key' }>;

/**
 * Receipts name the sequencer's keys by version, so a version must mean the same key here as there.
 *
 * @throws ServiceError ALREADY_EXISTS when the database has another key under a version, or the key under another version
 */
export async function importSequencerKeys(sql: Sql, keys: readonly SequencerKey[]): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`lock table sequencer_keys in share row exclusive mode`;
    for (const { key_version: version, public_key, valid_from, valid_to } of keys) {
      const publicKey = bytesOf(public_key, 'public_key of a sequencer_key');
      const known = await tx<{ same: boolean }[]>`
        select key_version = ${version} and public_key = ${publicKey} as same from sequencer_keys
        where key_version = ${version} or public_key = ${publicKey}`;
      if (known.some(({ same }) => !same))
        throw new ServiceError(
          'ALREADY_EXISTS',
          `This database has other sequencer keys: its version ${version} is not the exported one, and receipts would not verify. Import before a service with another key starts on the database.`,
        );
      if (known.length === 0)
        await tx`
          insert into sequencer_keys (key_version, public_key, valid_from, valid_to)
          values (${version}, ${publicKey}, ${valid_from}, ${valid_to})`;
    }
  });
}

/** @throws ServiceError ALREADY_EXISTS when an agent has another key under the same id; INVALID_PUBLIC_KEY */
export async function importAgentKeys(sql: Sql, tenantId: string, keys: readonly AgentKey[]): Promise<void> {
  await sql.begin(async (tx) => {
    for (const key of keys) {
      const publicKey = bytesOf(key.public_key, 'public_key of an agent_key');
      if (checkPublicKey(publicKey) !== 'ok')
        throw new ServiceError(
          'INVALID_PUBLIC_KEY',
          `Key ${key.key_id} of agent ${key.agent_id} is not a valid key`,
        );
      await tx`
        insert into agent_signing_keys (tenant_id, agent_id, key_id, key_algorithm, public_key, status, valid_from, valid_to,
          revoked_at, created_at)
        values (${tenantId}, ${key.agent_id}, ${key.key_id}, ${key.key_algorithm}, ${publicKey}, ${key.status},
          ${key.valid_from}, ${key.valid_to}, ${key.revoked_at}, ${key.created_at})
        on conflict (tenant_id, agent_id, key_id) do nothing`;
      const [stored] = await tx<{ same: boolean }[]>`
        select public_key = ${publicKey} as same from agent_signing_keys
        where tenant_id = ${tenantId} and agent_id = ${key.agent_id} and key_id = ${key.key_id}`;
      if (stored?.same !== true)
        throw new ServiceError(
          'ALREADY_EXISTS',
          `Agent ${key.agent_id} has another key under id ${key.key_id} in this database`,
        );
    }
  });
}

const numberOrNull = (text: string | null, what: string): number | null =>
  text === null ? null : Number(microsOf(text, what));

export const importKeyOf = (key: AgentKey): ImportKey => ({
  agentId: key.agent_id,
  keyId: key.key_id,
  publicKey: bytesOf(key.public_key, 'public_key of an agent_key'),
  validFromMicros: numberOrNull(key.valid_from, 'valid_from'),
  validToMicros: numberOrNull(key.valid_to, 'valid_to'),
  revokedAtMicros: numberOrNull(key.revoked_at, 'revoked_at'),
});
