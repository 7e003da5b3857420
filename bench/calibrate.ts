import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { median } from './statistics.js';

const ROUNDS = 9;
const VERIFICATIONS = 400;

/**
 * The machine's speed at this moment: CPU microseconds of one Ed25519 verification by node:crypto, median of some rounds.
 * Printed before and after everything else: figures taken in a slow phase of the host are to be read against it.
 */
export function calibrate(): number {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const message = randomBytes(32);
  const signature = sign(null, message, privateKey);
  const round = (): number => {
    const before = process.cpuUsage();
    for (let i = 0; i < VERIFICATIONS; i++) verify(null, message, publicKey, signature);
    const used = process.cpuUsage(before);
    return (used.user + used.system) / VERIFICATIONS;
  };
  round();
  return median(Array.from({ length: ROUNDS }, round));
}
