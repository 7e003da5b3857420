/** The sequencer's keys as a running service holds them: the present one and those that signed before. */
import type { Config } from '../engine/config/index.js';
import { recordSequencerKeys, type SequencerKeyRow } from '../engine/keys/sequencer-keys.js';
import { equalBytes, publicKeyFromSeed } from '../engine/protocol/index.js';
import type { Sql } from '../engine/store/connection.js';
import type { GatewayIdentity } from '../gateway/index.js';
import type { SequencerIdentity } from '../workers/messages.js';
import { createSigner } from '../workers/native-crypto.js';
import { keepSequencerId, keepSigningKey, readRetiredKeys } from './data-dir.js';

/** Reads the keys from the configuration or DATA_DIR and records them in the database. */
export async function openKeyRing(
  config: Config,
  sql: Sql,
): Promise<{ readonly worker: SequencerIdentity; readonly gateway: GatewayIdentity }> {
  const { dataDir } = config.database;
  const { signingKey, retiredKeys, id: configuredId } = config.sequencer;
  const seed = signingKey ?? keepSigningKey(dataDir);
  const publicKey = publicKeyFromSeed(seed);
  const before = (retiredKeys ?? (signingKey === undefined ? readRetiredKeys(dataDir) : []))
    .filter((each) => !equalBytes(each, seed))
    .map((each) => ({ seed: each, publicKey: publicKeyFromSeed(each) }));
  const { keyVersion, keys } = await recordSequencerKeys(
    sql,
    publicKey,
    before.map((each) => each.publicKey),
  );
  const versionOf = (key: Uint8Array) => keys.find((row) => equalBytes(row.publicKey, key))!.keyVersion;
  const retired = before.map((each) => ({ keyVersion: versionOf(each.publicKey), seed: each.seed }));
  const id = configuredId ?? keepSequencerId(dataDir);
  return {
    worker: { id, keyVersion, seed, publicKey, retired },
    gateway: { id, keyVersion, publicKey, keys: keys.map(published), ...signers(keyVersion, seed, retired) },
  };
}

const published = ({ keyVersion, publicKey, validFrom, validTo }: SequencerKeyRow) => ({
  keyVersion,
  publicKey,
  validFrom,
  ...(validTo === null ? {} : { validTo }),
});

function signers(
  present: number,
  seed: Uint8Array,
  retired: SequencerIdentity['retired'],
): Pick<GatewayIdentity, 'sign' | 'signAs'> {
  const held = new Map(
    [...retired, { keyVersion: present, seed }].map((each) => [each.keyVersion, createSigner(each.seed)]),
  );
  const signAs: GatewayIdentity['signAs'] = (asked, message) => {
    const keyVersion = held.has(asked) ? asked : present;
    const signature = Buffer.alloc(64);
    held.get(keyVersion)!(message, signature);
    return { keyVersion, signature };
  };
  return { signAs, sign: (message) => signAs(present, message).signature };
}
