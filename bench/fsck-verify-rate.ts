/** Ed25519 verifications per second that all processors together can do: the measure for `fsck`. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { publicKeyFromSeed } from '../engine/protocol/index.js';
import { createPopulation } from '../loadtest/event-source.js';
import { fsckCrypto } from '../workers/fsck-crypto.js';
import { createSigner } from '../workers/native-crypto.js';

/** As many different signatures as a processor's branch predictor cannot learn. */
const SIGNATURES = 4096;
const KEYS = 16;
const SECONDS = 2;

/** Verifies strictly, as the service and `fsck` do, on `threads` threads at the same time. */
export async function measureVerifyRate(threads: number): Promise<number> {
  const rates = await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(new URL(import.meta.url));
      return new Promise<number>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    }),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

function verifyForAWhile(): number {
  const { agents } = createPopulation('fsck verify rate', 1, KEYS);
  const keys = agents.map(({ seed }) => ({ sign: createSigner(seed), publicKey: publicKeyFromSeed(seed) }));
  const signed = Buffer.alloc(96 * SIGNATURES);
  const signature = Buffer.alloc(64);
  for (let i = 0; i < SIGNATURES; i++) {
    signed.writeUInt32BE(i, 96 * i);
    keys[i % KEYS]!.sign(signed.subarray(96 * i, 96 * i + 32), signature);
    signature.copy(signed, 96 * i + 32);
  }
  const { verify } = fsckCrypto();
  const end = performance.now() + SECONDS * 1000;
  const begin = performance.now();
  let done = 0;
  for (let i = 0; performance.now() < end; i = (i + 1) % SIGNATURES, done++) {
    const at = 96 * i;
    if (!verify(signed, at + 32, signed.subarray(at, at + 32), keys[i % KEYS]!.publicKey))
      throw new Error('a good signature did not verify');
  }
  return (done / (performance.now() - begin)) * 1000;
}

if (!isMainThread) parentPort!.postMessage(verifyForAWhile());
