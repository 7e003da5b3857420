/** The table of agents' keys by itself: what no event refers to is looked at as well. */
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { type Fault, type FindingList, findingOf, uuidText } from './finding.js';
import type { Session } from './session.js';
import type { StreamFilter } from './streams.js';

type Row = {
  tenant: string;
  agent: string;
  keyId: string;
  algorithm: number;
  publicKey: Buffer;
  status: string;
  sane: boolean;
};

const PAGE_KEYS = 5000;
const ED25519 = 1;

export async function checkAgentKeyTable(
  session: Session,
  crypto: Pick<FsckCrypto, 'isUsablePublicKey'>,
  { tenant }: StreamFilter,
  findings: FindingList,
  counts: Counts,
): Promise<void> {
  let last: Row | undefined;
  let position = 0;
  for (;;) {
    const rows = await session.run(
      (sql) => sql<Row[]>`
        select tenant_id as tenant, agent_id as agent, key_id::text as "keyId", key_algorithm as algorithm,
          public_key as "publicKey", status,
          status in ('active', 'revoked', 'expired') and (status = 'revoked') = (revoked_at is not null)
            and coalesce(valid_from <= valid_to, true) and key_id between 0 and 4294967295 as sane
        from agent_signing_keys
        where ${tenant === undefined ? sql`true` : sql`tenant_id = ${uuidText(tenant)}`}
          and ${last ? sql`(tenant_id, agent_id, key_id) > (${last.tenant}, ${last.agent}, ${last.keyId}::bigint)` : sql`true`}
        order by tenant_id, agent_id, key_id limit ${PAGE_KEYS}`,
    );
    for (const row of rows) {
      position++;
      const [first, ...rest] = faultsOf(row, crypto);
      const name = { table: 'agent_signing_keys', stream: null, position };
      const key = `tenant ${row.tenant}, agent ${row.agent}, key_id ${row.keyId}`;
      if (first) findings.add(findingOf({ ...name, row: key }, [first, ...rest]));
    }
    add(counts, 'agent_signing_keys', rows.length);
    last = rows.at(-1);
    if (rows.length < PAGE_KEYS) return;
  }
}

function faultsOf(row: Row, crypto: Pick<FsckCrypto, 'isUsablePublicKey'>): Fault[] {
  const faults: Fault[] = [];
  const fail = (column: string, message: string) => void faults.push({ check: 'agent-key', column, message });
  if (!crypto.isUsablePublicKey(row.publicKey))
    fail('public_key', 'public_key is not a valid Ed25519 public key');
  if (row.algorithm !== ED25519) fail('key_algorithm', `key_algorithm is ${row.algorithm}, not ${ED25519}`);
  if (!row.sane)
    fail('status, revoked_at, valid_from, valid_to or key_id', 'the state of the key contradicts itself');
  return faults;
}
