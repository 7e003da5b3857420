/** Sealed payloads of the rows a worker looks at: opened where there are keys, counted where not. */
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import type { Tuple } from '../store/copy-tuples.js';
import type { PayloadKeys } from '../store/sealed-payload.js';
import { type EventTable, payloadOf, placeOfTuple } from '../store/sealed-tuples.js';
import { add, type Counts } from './counts.js';
import type { Fault } from './finding.js';
import type { Session } from './session.js';
import type { StreamRange } from './task.js';

/** Who holds keys. Tenants are 32 hex digits. */
export interface KeyHolder {
  allKeysOf(tenants: readonly string[]): Promise<PayloadKeys>;
}

/** Makes the holder on a worker's own connection; undefined: there are no keys. */
export type OpenKeyHolder = (sql: Sql) => KeyHolder | undefined;

/** Opens the sealed payload of a tuple: its text, what is wrong with it, or undefined when there is nothing to check. */
export type OpenPayload = (tuple: Tuple) => Buffer | Fault | undefined;

export interface Payloads {
  /** Loads what the rows of some ranges need. */
  prepare(ranges: readonly StreamRange[]): Promise<void>;
  readonly open: OpenPayload;
  /** Adds what was seen since the last time. */
  report(counts: Counts): void;
}

export function createPayloads(
  session: Session,
  table: EventTable,
  openHolder: OpenKeyHolder | undefined,
): Payloads {
  const holder = openHolder?.(session.sql);
  let keys: PayloadKeys | undefined;
  const seen = {
    'payloads decrypted': 0,
    'erased payloads': 0,
    'encrypted payloads without a key to check them': 0,
  };

  function open(tuple: Tuple): Buffer | Fault | undefined {
    if (keys === undefined) {
      seen['encrypted payloads without a key to check them']++;
      return undefined;
    }
    try {
      const plain = keys.open(placeOfTuple(table, tuple), payloadOf(table, tuple));
      seen[plain ? 'payloads decrypted' : 'erased payloads']++;
      return plain;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { check: 'sealed', column: 'payload', message: error.message };
    }
  }

  return {
    async prepare(ranges) {
      if (holder === undefined) return;
      const tenants = [...new Set(ranges.map(({ tenant }) => tenant.replaceAll('-', '')))];
      keys = await session.run(() => holder.allKeysOf(tenants));
    },
    open,
    report(counts) {
      for (const name of Object.keys(seen) as (keyof typeof seen)[]) {
        if (seen[name] > 0) add(counts, name, seen[name]);
        seen[name] = 0;
      }
    },
  };
}
