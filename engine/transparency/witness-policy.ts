/** Whose cosignatures count, and how many are needed. */
import { ServiceError } from '../errors/index.js';
import { NOTE_COSIGNATURE, parseVerifierKey, type VerifierKey } from '../log/index.js';
import { checkPublicKey, encodeHex } from '../protocol/index.js';

/** A witness as configured: verifier key (c2sp.org/tlog-cosignature, type 0x04) and submission prefix. */
export interface WitnessSetting {
  readonly vkey: string;
  readonly url: string;
}

export interface Witness {
  /** The verifier key as configured; identifies the witness in the database. */
  readonly vkey: string;
  readonly key: VerifierKey;
  /** Where checkpoints are submitted: `<prefix>/add-checkpoint`. */
  readonly address: string;
}

/** A quorum of 0 lets every checkpoint of the log count as witnessed; cosignatures are collected all the same. */
export interface WitnessPolicy {
  readonly witnesses: readonly Witness[];
  readonly quorum: number;
}

/** Every checkpoint counts. */
export const NO_WITNESSES: WitnessPolicy = { witnesses: [], quorum: 0 };

/**
 * Reads the configured witnesses.
 *
 * @throws ServiceError CONFIGURATION_INVALID on a bad key or address, a witness named twice, or a quorum that can never be reached
 */
export function parseWitnessPolicy(settings: readonly WitnessSetting[], quorum: number): WitnessPolicy {
  if (settings.length === 0) return NO_WITNESSES;
  const witnesses = settings.map(parseWitness);
  // A cosignature does not name its witness, so one key under two names would count twice.
  const keys = new Set(witnesses.map(({ key }) => encodeHex(key.publicKey)));
  if (keys.size < witnesses.length) throw invalid('two of the witnesses have the same key');
  if (!Number.isInteger(quorum) || quorum < 0 || quorum > witnesses.length)
    throw invalid(`a quorum of ${quorum} cannot be reached with ${witnesses.length} witnesses`);
  return { witnesses, quorum };
}

function parseWitness({ vkey, url }: WitnessSetting): Witness {
  const key = parseVerifierKey(vkey);
  if (key?.type !== NOTE_COSIGNATURE || checkPublicKey(key.publicKey) !== 'ok')
    throw invalid(`${JSON.stringify(vkey)} is not the verifier key of an Ed25519 witness`);
  const prefix = URL.canParse(url) ? new URL(url) : undefined;
  const plain = prefix && prefix.username + prefix.password + prefix.search + prefix.hash === '';
  if (!plain || !/^https?:$/.test(prefix.protocol))
    throw invalid(
      `the address of ${key.name} must be an http or https URL without credentials, query and fragment`,
    );
  return { vkey, key, address: `${prefix.href.replace(/\/+$/, '')}/add-checkpoint` };
}

const invalid = (what: string) => new ServiceError('CONFIGURATION_INVALID', `Witnesses: ${what}.`);
