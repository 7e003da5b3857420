/** Stored cosignatures of the notary's checkpoints. */
import {
  cosignatureMessage,
  formatCheckpoint,
  type NoteSignature,
  parseSignatureLine,
  parseVerifierKey,
  readCosignature,
} from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import { readMicros } from '../store/copy-tuples.js';
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { type Fault, type FindingList, findingOf } from './finding.js';
import type { Session } from './session.js';
import { bytesAt, columnList, createRowCheckJudge, NOTARY_COSIGNATURES, numberAt, textAt } from './tables.js';

const COLUMNS = NOTARY_COSIGNATURES.columns.length;
const ROOT = COLUMNS;

/** The keys of witnesses that are remembered with their state, by name. */
async function readWitnessKeys(
  session: Session,
): Promise<Map<string, { keyId: Uint8Array; publicKey: Uint8Array }[]>> {
  const rows = await session.run(
    (sql) => sql<{ vkey: string }[]>`select distinct witness as vkey from witness_states`,
  );
  const keys = new Map<string, { keyId: Uint8Array; publicKey: Uint8Array }[]>();
  for (const { vkey } of rows) {
    const key = parseVerifierKey(vkey);
    if (key) keys.set(key.name, [...(keys.get(key.name) ?? []), key]);
  }
  return keys;
}

/** Checks every cosignature; those of witnesses whose key nobody remembers cannot be verified, and are counted. */
export async function checkCosignatures(
  session: Session,
  crypto: FsckCrypto,
  findings: FindingList,
  counts: Counts,
): Promise<void> {
  const keys = await readWitnessKeys(session);
  const judge = createRowCheckJudge(NOTARY_COSIGNATURES);
  const columns = columnList(NOTARY_COSIGNATURES)
    .split(', ')
    .map((name) => `c.${name}`)
    .join(', ');
  const query = `select ${columns}, (select root_hash from notary_checkpoints k
      where k.origin = c.origin and k.tree_size = c.tree_size limit 1) as root_hash
    from notary_cosignatures c order by c.origin, c.tree_size, c.witness_name, c.key_id`;
  await session.copyOut(query, COLUMNS + 1, (tuple) => {
    add(counts, NOTARY_COSIGNATURES.table, 1);
    const [origin, size, witness] = [textAt(tuple, 0), numberAt(tuple, 1), textAt(tuple, 2)] as const;
    const keyId = bytesAt(tuple, 3);
    const signature = parseSignatureLine(textAt(tuple, 4));
    const seconds = readMicros(tuple.bytes, tuple.at[5]!) / 1_000_000;
    const faults: Fault[] = [];
    const fail = (column: string, message: string) =>
      void faults.push({ check: 'cosignature', column, message });
    if (signature === undefined) fail('signature_line', 'signature_line is not a signature line');
    else if (signature.name !== witness || !equalBytes(signature.keyId, keyId))
      fail('signature_line, witness_name or key_id', 'signature_line is not of this witness and key');
    else if (readCosignature(signature)?.timestamp !== seconds)
      fail('signature_line or cosigned_at', 'signature_line has another time');
    else if (tuple.length[ROOT] !== 32) fail('origin or tree_size', 'there is no such checkpoint');
    else {
      const publicKey = keys.get(witness)?.find((key) => equalBytes(key.keyId, keyId))?.publicKey;
      if (publicKey === undefined) add(counts, 'cosignatures whose key is not known', 1);
      else if (!verify(crypto, signature, { origin, size, root: bytesAt(tuple, ROOT) }, publicKey))
        fail('signature_line, or what it signs', 'the cosignature does not verify');
    }
    if (judge(tuple) !== 'good')
      faults.push({
        check: 'row-check',
        column: 'row_check',
        message: 'row_check is not the CRC-32 of the row',
      });
    const [first, ...rest] = faults;
    if (first === undefined) return;
    const row = `origin ${JSON.stringify(origin)}, tree_size ${size}, witness_name ${JSON.stringify(witness)}`;
    findings.add(
      findingOf({ table: NOTARY_COSIGNATURES.table, stream: null, row, position: size }, [first, ...rest]),
    );
  });
}

function verify(
  crypto: FsckCrypto,
  cosignature: NoteSignature,
  checkpoint: { readonly origin: string; readonly size: number; readonly root: Uint8Array },
  publicKey: Uint8Array,
): boolean {
  const { timestamp, signature } = readCosignature(cosignature)!;
  try {
    const message = cosignatureMessage(timestamp, formatCheckpoint(checkpoint));
    return crypto.verify(signature, 0, message, publicKey);
  } catch {
    return false; // no checkpoint can have this origin
  }
}
