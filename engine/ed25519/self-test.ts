/** Known answers, asked of every engine before it is used: a broken compiler or processor must not decide about signatures. */
import type { Ed25519Engine } from './engine.js';

/** RFC 8032 section 7.1, test 2. */
const PUBLIC_KEY = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
const MESSAGE = '72';
const SIGNATURE =
  '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
  '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';
/** The neutral point: canonical, on the curve, and no public key. */
const NEUTRAL = '0100000000000000000000000000000000000000000000000000000000000000';

/** Throws if the engine does not accept a valid signature, or accepts what differs in one bit of R, of S or of the message. */
export function selfTest(engine: Pick<Ed25519Engine, 'importKey' | 'verify' | 'add' | 'run'>): void {
  const key = engine.importKey(fromHex(PUBLIC_KEY));
  if (key === undefined || engine.importKey(fromHex(NEUTRAL)) !== undefined) fail('keys');
  const message = fromHex(MESSAGE);
  const signature = fromHex(SIGNATURE);
  const cases: [Uint8Array, Uint8Array][] = [
    [message, signature],
    [message, flip(signature, 0)],
    [message, flip(signature, 32)],
    [flip(message, 0), signature],
  ];
  for (const each of cases) engine.add(key, ...each);
  if (engine.run().join() !== '1,0,0,0') fail('a batch');
  if (!engine.verify(key, message, signature)) fail('a valid signature');
}

function fail(what: string): never {
  throw new Error(
    `the Ed25519 engine does not give the known answers (${what}); it must not be used on this machine`,
  );
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
