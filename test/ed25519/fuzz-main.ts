/** `npm run fuzz:ed25519 -- --cases 1000000 --seed 7`: the engine against other implementations, for as long as one likes. */
import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import { runDifferential } from './differential.js';

const PROGRESS_MS = 10_000;

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('A number from 0 to 1 is needed.');
  return value;
}

const options = new Command()
  .name('fuzz:ed25519')
  .description('Compares the Ed25519 engine with OpenSSL, libsodium and noble on cases made from a seed.')
  .option('--cases <n>', 'how many', whole, 100_000)
  .option('--seed <n>', 'where the cases come from; random by default', whole, randomInt(2 ** 47))
  .option('--portable <share>', 'share of the adversarial cases that noble decides, too', share, 0.05)
  .parse()
  .opts<{ cases: number; seed: number; portable: number }>();

const begin = performance.now();
let shown = begin;
console.log(`${options.cases} cases of seed ${options.seed}`);
const result = runDifferential({
  module: loadEd25519Module(),
  seed: options.seed,
  cases: options.cases,
  adversarialShare: options.portable,
  onProgress(cases) {
    if (performance.now() - shown < PROGRESS_MS) return;
    shown = performance.now();
    console.log(`${cases} cases, ${((shown - begin) / 1000).toFixed(0)} s`);
  },
});
for (const [kind, [cases, valid]] of Object.entries(result.kinds))
  console.log(`${String(cases).padStart(9)} cases, ${String(valid).padStart(9)} valid: ${kind}`);
for (const [name, stats] of Object.entries(result.stats)) console.log(`${name}: ${JSON.stringify(stats)}`);
for (const each of result.disagreements) console.log(JSON.stringify(each, undefined, 2));
console.log(
  `${result.cases} cases, ${result.checks} verdicts by the engine, ${result.portableChecks} by noble, ` +
    `${result.disagreements.length} disagreements, ${((performance.now() - begin) / 1000).toFixed(0)} s`,
);
process.exitCode = result.disagreements.length === 0 ? 0 : 1;
