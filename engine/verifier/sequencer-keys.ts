import type { Problem } from '../log/index.js';
import { checkPublicKey } from '../protocol/index.js';
import { isObject, readCount, readHex } from './fields.js';
import type { SequencerKey } from './trust.js';

/** More versions than this, no sequencer has. */
const KEYS_MAX = 1000;

/** Reads the public keys of `/.well-known/ves-sequencer`. The document is not signed: trust in it comes from where it was fetched. */
export function readSequencerKeys(document: unknown): SequencerKey[] | Problem {
  const list = isObject(document) ? document.public_keys : undefined;
  if (!Array.isArray(list) || list.length === 0 || list.length > KEYS_MAX)
    return { problem: 'The document of the sequencer has no list "public_keys"' };
  const keys: SequencerKey[] = [];
  for (const [i, item] of list.entries()) {
    const version = isObject(item) ? readCount(item.key_version) : undefined;
    const publicKey = isObject(item) ? readHex(item.public_key, 32) : undefined;
    if (version === undefined || publicKey === undefined)
      return { problem: `Key ${i + 1} of the sequencer's document has no key_version or no public_key` };
    if (checkPublicKey(publicKey) !== 'ok')
      return { problem: `Key ${i + 1} of the sequencer's document is not an acceptable Ed25519 key` };
    keys.push({ version, publicKey });
  }
  return keys;
}
