/** Every check, in the order of the documentation. */
export const CHECKS = {
  readable: 'the server can read the row',
  'row-check': 'the CRC-32 of the row as it was written is row_check',
  'row-shape': 'lengths of byte columns fit the kind of row',
  sequence: 'numbers of a stream are 1 to n, none missing, none twice',
  'payload-hash': 'the stored payload text hashes to the stored hash',
  sealed: 'an encrypted payload can be decrypted, with the key and for the event it was encrypted for',
  'cipher-hash': 'the stored encryption envelope hashes to payload_cipher_hash',
  'entity-key': 'entity_key is the one of tenant, store, entity_type and entity_id',
  'signing-hash': 'event_signing_hash is the hash of the columns the agent signed',
  'signing-key': 'the key that is named exists, is a valid key and was valid when the event was sequenced',
  signature: 'agent_signature verifies under that key',
  'group-range': 'groups follow one another without a hole, from 1 to the head',
  'group-time': 'sequenced_at of group and events are the same',
  'group-key': 'the sequencer key version of the group exists',
  root: 'a recorded root is the root of the log at its size',
  head: 'current_sequence is the number of the last event',
  frontier: 'the stored frontier is that of the log at its head',
  tile: 'a stored tile holds the hashes of the log, and their root',
  'beyond-head': 'nothing refers to events behind the head, or to a stream that does not exist',
  'commitment-range':
    'commitments of a stream follow one another without a hole and end at or before the head',
  'commitment-shape': 'counts and depths follow from the range',
  'commitment-root': 'the root of a commitment is that of the events in its range',
  'state-root': 'state roots form a chain and follow from what they are the hash of',
  'entity-count': 'stored numbers of events of an entity are what counting the events gives',
  'agent-key': 'agents keys are valid Ed25519 keys, and their states make sense',
  'sequencer-key': "the sequencer's keys are valid, have versions 0 to n and validities that make sense",
  'audit-chain':
    'records of administrative acts form a chain of hashes without a hole, up to its recorded end',
  'notary-entry': 'entries of the notary log are numbered from 0 and name streams that exist',
  note: "a stored checkpoint says what its row says and is signed with the sequencer's key",
  cosignature: 'a stored cosignature is well-formed, fits its row, and verifies where the key is known',
  duplicate: 'no id is used twice, whatever the unique indexes say (--deep)',
  index: 'the table holds as many rows of a stream as its index shows (--deep)',
} as const;

export type CheckName = keyof typeof CHECKS;
