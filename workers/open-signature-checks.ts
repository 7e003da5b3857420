import type { Config } from '../engine/config/index.js';
import { createEd25519Engine } from '../engine/ed25519/index.js';
import { loadEd25519Module } from '../engine/ed25519/load-module.js';
import { createSignatureChecks, type SignatureChecks } from './signature-checks.js';

/** The checks as configured. An engine that does not pass its self-test is not used, and that is told. */
export function openSignatureChecks(settings: Config['sequencer']['signatures']): SignatureChecks {
  const { tableBytesMax, crossCheckEvery } = settings;
  if (settings.engine === 'libsodium') return createSignatureChecks();
  try {
    const engine = createEd25519Engine(loadEd25519Module(), { tableBytesMax });
    return createSignatureChecks({ engine, crossCheckEvery });
  } catch (error) {
    return createSignatureChecks({
      fault: `the signature engine cannot be used: ${(error as Error).message}`,
    });
  }
}
