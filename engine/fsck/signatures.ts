/** Signing keys and signatures of a range's events (L6). */

import type { Tuple } from '../store/copy-tuples.js';
import { VES } from '../store/ves-columns.js';
import {
  type AgentKey,
  type AgentKeyName,
  type createAgentKeys,
  keyFaultAt,
  nameOfKey,
} from './agent-keys.js';
import type { FsckCrypto } from './crypto.js';
import { addFault } from './event-range.js';
import { EVENT, type VesChunk } from './ves-chunk.js';
import { SIGNED_COLUMNS } from './ves-row.js';

/** Tenant 16, agent 16, key id 8. */
const KEY_NAME_BYTES = 40;

/** Numbers the signing keys that a task's events name. */
export function createKeyNumbers() {
  const names: AgentKeyName[] = [];
  const numbers = new Map<string, number>();
  const last = Buffer.alloc(KEY_NAME_BYTES);
  let lastNumber = -1;

  /** Tenant, agent and key id; true when they are those of the row before. */
  function isRepeated({ bytes, at }: Tuple): boolean {
    const tenant = at[VES.tenant]!;
    const agent = at[VES.agent]!;
    const keyId = at[VES.agentKeyId]!;
    let changed = lastNumber === -1 ? 1 : 0;
    for (let i = 0; i < 16; i++) {
      changed |= (last[i]! ^ bytes[tenant + i]!) | (last[16 + i]! ^ bytes[agent + i]!);
      last[i] = bytes[tenant + i]!;
      last[16 + i] = bytes[agent + i]!;
    }
    for (let i = 0; i < 8; i++) {
      changed |= last[32 + i]! ^ bytes[keyId + i]!;
      last[32 + i] = bytes[keyId + i]!;
    }
    return changed === 0;
  }

  return {
    names: names as readonly AgentKeyName[],
    numberOf(tuple: Tuple): number {
      if (isRepeated(tuple)) return lastNumber; // neighbours are often of one agent
      const text = last.toString('latin1');
      let number = numbers.get(text);
      if (number === undefined) {
        const hex = last.toString('hex');
        const keyId = Number(last.readBigInt64BE(32));
        number = names.push({ tenant: hex.slice(0, 32), agent: hex.slice(32, 64), keyId }) - 1;
        numbers.set(text, number);
      }
      lastNumber = number;
      return number;
    },
  };
}

/** Checks the keys of all events and, if asked to, their signatures. Answers how many signatures were verified. */
export async function checkSignatures(
  chunks: readonly VesChunk[],
  names: readonly AgentKeyName[],
  deps: { findKeys: ReturnType<typeof createAgentKeys>; crypto: FsckCrypto; signatures: boolean },
): Promise<number> {
  const keys = await deps.findKeys(names);
  let verified = 0;
  for (const chunk of chunks)
    for (let i = 0; i < chunk.flags.length; i++) {
      if ((chunk.flags[i]! & EVENT.present) === 0 || chunk.keys[i] === -1) continue;
      const number = chunk.keys[i]!;
      const key = keys[number];
      const sequence = chunk.range.from + i;
      const column = 'source_agent_id, agent_key_id, or its row in agent_signing_keys';
      if (key === undefined) {
        const message = `agent_signing_keys has no key ${nameOfKey(names[number]!)}`;
        addFault(chunk, sequence, { check: 'signing-key', column, message });
        continue;
      }
      const fault = keyFaultAt(key, chunk.times[i]!);
      if (fault !== undefined)
        addFault(chunk, sequence, {
          check: 'signing-key',
          column: `sequenced_at, ${column}`,
          message: fault,
        });
      if (!deps.signatures || !key.usable) continue;
      verified++;
      checkSignature(chunk, i, key, deps.crypto);
    }
  return verified;
}

function checkSignature(chunk: VesChunk, index: number, key: AgentKey, crypto: FsckCrypto): void {
  const at = 96 * index;
  const { signed, faults, range } = chunk;
  const sequence = range.from + index;
  const valid = crypto.verify(signed, at + 32, signed.subarray(at, at + 32), key.publicKey);
  const hashFault = faults.get(sequence)?.find(({ check }) => check === 'signing-hash');
  if (hashFault !== undefined) {
    Object.assign(hashFault, valid ? WRONG_HASH : WRONG_COLUMN);
  } else if (!valid) {
    const column = 'hashes (agent_signature), or public_key of its row in agent_signing_keys';
    addFault(chunk, sequence, { check: 'signature', column, message: 'the signature does not verify' });
  }
}

/** What the agent signed is what the columns say. */
const WRONG_HASH = {
  column: 'hashes (event_signing_hash)',
  message: 'event_signing_hash is not the hash of the signed columns, for which the signature holds',
};
/** If only the hash had been changed, the signature would hold for the columns. */
const WRONG_COLUMN = {
  column: `a signed column: ${SIGNED_COLUMNS}`,
  message: 'what the agent signed is not what the columns say',
};
