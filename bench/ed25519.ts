/**
 * What one Ed25519 verification costs: the project's engine (cold keys; tables of 1, 64 and 1,000 keys visited at random; single and in
 * arrays) beside node:crypto with a cached key object, libsodium and noble, in turns on one core. Every implementation
 * decides the same signatures, and a wrong verdict ends the bench.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { createEd25519Engine, type Ed25519Engine, type VerificationKey } from '../engine/ed25519/index.js';
import { loadEd25519Module } from '../engine/ed25519/load-module.js';
import { createVerifier, SIGNATURE_BYTES } from '../engine/protocol/ed25519.js';
import { createRandom } from '../loadtest/event-source.js';
import { createSignatureVerifier, createSigner } from '../workers/native-crypto.js';
import { measureParts, type Part, type PartCost } from './parts/cost.js';
import { median } from './statistics.js';
import { formatTable } from './table.js';

export interface Ed25519Report {
  /** CPU microseconds per signature. */
  readonly costs: readonly (PartCost & { readonly times_node: number })[];
  readonly keys: {
    readonly import_us: number;
    readonly table_us: number;
    readonly table_bytes: number;
    /** Growth of the process for a thousand keys with tables, and for a thousand without. */
    readonly thousand_warm_mb: number;
    readonly thousand_cold_mb: number;
  };
}

interface Signer {
  readonly publicKey: Buffer;
  readonly keyObject: KeyObject;
  readonly privateKey: KeyObject;
}

interface Signed {
  readonly signer: number;
  readonly message: Buffer;
  readonly signature: Buffer;
}

const KEYS = [1, 64, 1000];
const ARRAYS = [1, 16, 64, 256];
/** Signatures of each set; one round takes the next ones. */
const SIGNATURES = 2048;
/** What one round of each does. */
const CHECKS = 256;
const NOBLE_CHECKS = 4;
const NODE = 'node:crypto, cached key';
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export function runEd25519Bench({ say }: { say(line: string): void }): {
  report: Ed25519Report;
  text: string;
} {
  say('ed25519: signing what is to be verified');
  const signers = Array.from({ length: Math.max(...KEYS) }, newSigner);
  const sets = new Map(KEYS.map((keys) => [keys, signedBy(signers, keys)]));
  const few = sets.get(64)!;
  const module = loadEd25519Module();
  say('ed25519: keys');
  const { engine: warm, handles, ...keys } = measureKeys(module, signers);
  const cold = createEd25519Engine(module, { tableBytesMax: 0 });
  const coldHandles = signers.map(({ publicKey }) => cold.importKey(publicKey)!);
  assertStrict(warm, handles, few);
  say('ed25519: verifying, in turns');
  const costs = measureParts([
    part(NODE, few, CHECKS, ({ signer, message, signature }) =>
      verify(null, message, signers[signer]!.keyObject, signature),
    ),
    part('sodium-native', few, CHECKS, withSodium(signers)),
    part('noble', few, NOBLE_CHECKS, withNoble(signers)),
    ...[1, 256].map((length) => enginePart('cold', cold, coldHandles, few, length)),
    ...KEYS.flatMap((count) =>
      ARRAYS.map((length) =>
        enginePart(`${count} ${count === 1 ? 'key' : 'keys'}`, warm, handles, sets.get(count)!, length),
      ),
    ),
    signingPart('signing: node:crypto', (message) => sign(null, message, signers[0]!.privateKey)),
    signingPart('signing: sodium-native', sodiumSigner()),
  ]);
  if (warm.stats().evictions > 0) throw new Error('the tables did not fit');
  const node = costs.find(({ name }) => name === NODE)!.us_per_event;
  const report: Ed25519Report = {
    costs: costs.map((cost) => ({ ...cost, times_node: Number((node / cost.us_per_event).toFixed(2)) })),
    keys,
  };
  return { report, text: format(report) };
}

function newSigner(): Signer {
  const der = Buffer.concat([PKCS8_PREFIX, randomBytes(32)]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const keyObject = createPublicKey(privateKey);
  return {
    privateKey,
    keyObject,
    publicKey: Buffer.from(keyObject.export({ format: 'jwk' }).x!, 'base64url'),
  };
}

/** Signatures over 32 bytes by the first `keys` signers at random. */
function signedBy(signers: readonly Signer[], keys: number): Signed[] {
  const random = createRandom(keys);
  return Array.from({ length: SIGNATURES }, () => {
    const signer = Math.floor(random() * keys);
    const message = randomBytes(32);
    return { signer, message, signature: sign(null, message, signers[signer]!.privateKey) };
  });
}

/** A part that decides the next `count` signatures of a set in each round. */
function part(name: string, set: readonly Signed[], count: number, check: (signed: Signed) => boolean): Part {
  let next = 0;
  return {
    name,
    events: count,
    counts: false,
    run() {
      for (let i = 0; i < count; i++) {
        if (!check(set[next]!)) throw new Error(`${name} refuses a valid signature`);
        next = (next + 1) % set.length;
      }
    },
  };
}

function enginePart(
  keys: string,
  engine: Ed25519Engine,
  handles: readonly VerificationKey[],
  set: readonly Signed[],
  length: number,
): Part {
  if (length === 1)
    return part(`engine, ${keys}, single`, set, CHECKS, ({ signer, message, signature }) =>
      engine.verify(handles[signer]!, message, signature),
    );
  let next = 0;
  return {
    name: `engine, ${keys}, arrays of ${length}`,
    events: CHECKS,
    counts: false,
    run() {
      for (let done = 0; done < CHECKS; done += length) {
        for (let i = 0; i < length; i++) {
          const { signer, message, signature } = set[next]!;
          engine.add(handles[signer]!, message, signature);
          next = (next + 1) % set.length;
        }
        if (engine.run().includes(0)) throw new Error('the engine refuses a valid signature');
      }
    },
  };
}

function signingPart(name: string, signOne: (message: Buffer) => void): Part {
  const message = randomBytes(32);
  return {
    name,
    events: CHECKS,
    counts: false,
    run() {
      for (let i = 0; i < CHECKS; i++) signOne(message);
    },
  };
}

function withSodium(signers: readonly Signer[]): (signed: Signed) => boolean {
  const check = createSignatureVerifier();
  return ({ signer, message, signature }) => check(signature, 0, message, signers[signer]!.publicKey);
}

function withNoble(signers: readonly Signer[]): (signed: Signed) => boolean {
  const verifiers = new Map<number, ReturnType<typeof createVerifier>>();
  return ({ signer, message, signature }) => {
    if (!verifiers.has(signer)) verifiers.set(signer, createVerifier(signers[signer]!.publicKey));
    return verifiers.get(signer)!(signature, message);
  };
}

function sodiumSigner(): (message: Buffer) => void {
  const signOne = createSigner(randomBytes(32));
  const signature = Buffer.alloc(SIGNATURE_BYTES);
  return (message) => signOne(message, signature);
}

/** Costs of a new key, and an engine in which every signer has a table. */
function measureKeys(module: WebAssembly.Module, signers: readonly Signer[]) {
  const engine = createEd25519Engine(module, { warmAfter: 0 });
  const message = new Uint8Array();
  const signature = new Uint8Array(SIGNATURE_BYTES);
  const before = memoryMb();
  const imports: number[] = [];
  const handles = signers.map(({ publicKey }) => timed(imports, () => engine.importKey(publicKey)!));
  const imported = memoryMb();
  const single: number[] = [];
  const first: number[] = [];
  for (const handle of handles) timed(first, () => engine.verify(handle, message, signature));
  for (const handle of handles) timed(single, () => engine.verify(handle, message, signature));
  const warm = memoryMb();
  const { tables, tableBytes } = engine.stats();
  return {
    engine,
    handles,
    import_us: round(median(imports)),
    table_us: round(median(first) - median(single)),
    table_bytes: tableBytes / tables,
    thousand_warm_mb: round(((warm - before) * 1000) / signers.length),
    thousand_cold_mb: round(((imported - before) * 1000) / signers.length),
  };
}

function timed<T>(samples: number[], run: () => T): T {
  const begin = process.hrtime.bigint();
  const result = run();
  samples.push(Number(process.hrtime.bigint() - begin) / 1000);
  return result;
}

/** The bench proves nothing about an engine that says yes to everything. */
function assertStrict(
  engine: Ed25519Engine,
  handles: readonly VerificationKey[],
  set: readonly Signed[],
): void {
  for (const { signer, message, signature } of set.slice(0, 64)) {
    const bad = Buffer.from(signature);
    bad[signer % 64]! ^= 1;
    if (engine.verify(handles[signer]!, message, bad))
      throw new Error('the engine accepts a changed signature');
  }
}

const memoryMb = () => process.memoryUsage().rss / 1e6;
const round = (value: number) => Number(value.toFixed(1));

const format = ({ costs, keys }: Ed25519Report): string =>
  `\nEd25519, CPU µs per signature of 32 bytes, one core\n${formatTable(
    ['', 'µs', 'spread', 'times node:crypto'],
    costs.map(({ name, us_per_event, spread_percent, times_node }) => [
      name,
      us_per_event.toFixed(1),
      `±${spread_percent} %`,
      name.startsWith('signing') ? '' : times_node.toFixed(1),
    ]),
  )}` +
  `A new key costs ${keys.import_us} µs, its table ${keys.table_us} µs and ${keys.table_bytes.toLocaleString('en-US')} bytes. ` +
  `The process grows by ${keys.thousand_cold_mb} MB for 1,000 keys and by ${keys.thousand_warm_mb} MB with their tables.\n`;
