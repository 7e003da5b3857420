/** Whom a verifier believes: keys and names that come from its user, never from the evidence. */
import type { VerifierKey } from '../log/index.js';
import type { AgentDirectory } from './agent-directory.js';

/** A public key of the sequencer. `version` is unset when the user gave the bare key. */
export interface SequencerKey {
  readonly version?: number;
  readonly publicKey: Uint8Array;
}

export interface Trust {
  readonly sequencerKeys: readonly SequencerKey[];
  /** Bare keys of agents; one of them has to have signed. */
  readonly agentKeys: readonly Uint8Array[];
  /** A verified directory of an agent's keys. */
  readonly agentDirectory?: AgentDirectory;
  /** Origin of the log, or the part in front of `/<tenant>/<store>` and `/notary`. Unset: taken from the evidence, and said so. */
  readonly origin?: string;
  readonly witnesses: readonly VerifierKey[];
  /** How many of the witnesses have to have cosigned a checkpoint; 0 when none are asked for. */
  readonly quorum: number;
  /** Entries (`entryKey`) of notary logs that were found under a quorum; the streams' checkpoints they cover count as witnessed. */
  readonly notarised?: ReadonlySet<string>;
}

/** The keys that may have signed as this version: those of that version and those without one. */
export function keysOfVersion(trust: Trust, version: unknown): readonly SequencerKey[] {
  return trust.sequencerKeys.filter((key) => key.version === undefined || key.version === version);
}

/** A key for people: its version, if it is known. */
export function nameOfKey({ version }: SequencerKey): string {
  return version === undefined ? 'the given sequencer key' : `version ${version} of the sequencer's key`;
}

export const NO_SEQUENCER_KEY = 'no key of the sequencer was given';
