import type { VesEnvelopeJson } from '../../engine/protocol/index.js';

/** Seed of the agent that signed {@link ENCRYPTED_ENVELOPE} (RFC 8032 section 7.1, test 1). */
export const ENCRYPTED_SEED = Buffer.from(
  '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
  'hex',
);

/** The worked example of an encrypted event: payload, keys and nonces are fixed, so every byte can be recomputed. */
export const ENCRYPTED_ENVELOPE: VesEnvelopeJson = {
  ves_version: 1,
  event_id: '11111111-1111-1111-1111-111111111111',
  tenant_id: '00000000-0000-0000-0000-000000000001',
  store_id: '00000000-0000-0000-0000-000000000002',
  source_agent_id: '22222222-2222-2222-2222-222222222222',
  agent_key_id: 1,
  entity_type: 'InventoryItem',
  entity_id: 'WIDGET-001',
  event_type: 'InventoryAdjusted',
  created_at: '2025-01-01T00:00:00Z',
  payload_kind: 1,
  payload_encrypted: {
    enc_version: 1,
    aead: 'AES-256-GCM',
    nonce_b64u: 'AAECAwQFBgcICQoL',
    ciphertext_b64u:
      'RgDVH8DjxROES5yHvOd3ffj041GcDz5eAlbVtTFLbN1icdqVwK9N-h3KXdeqxgUJ3HtMryizwqlQ-QgjOpCdh4BRoxSnjlQEfzHDGIqtcw',
    tag_b64u: 'VgiETHH1hYEuuMHvBZuEHA',
    hpke: { mode: 'base', kem: 'X25519-HKDF-SHA256', kdf: 'HKDF-SHA256', aead: 'AES-256-GCM' },
    recipients: [
      {
        recipient_kid: 1,
        enc_b64u: '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08',
        ct_b64u: 'XQs8VFD77gz2MniUgZz5vFvfwxrksQbhtOiB1b2ZgTfvMXNMEob1c3J0_UmZ5hlE',
      },
    ],
  },
  payload_plain_hash: '0xfd317f62d6d9a953f7b405776a2061ef400a606c9de38d21c6fe83a500a1f355',
  payload_cipher_hash: '0xf0078fd5c7722239e837aece4cade6f1704b268e9202983a4ed7ba781ec3d7ae',
  agent_signature:
    '0x07d254de89c493c12553df26c10fcf8b7f9fdecd8fcb4aa72c5b3f2595504f83b33be0fb946acbee77701dc8610eba20ce5bc365b1e223d642015d98411b5006',
};
