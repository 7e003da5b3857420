/** `npm run simulate -- --seed 7`: runs the sequencer core in simulated worlds and reports the first law that breaks. */
import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { MUTATIONS, SIMULATION_STEPS, type SimulationResult, simulate } from '../engine/simulation/index.js';

interface Options {
  readonly seed?: number;
  readonly seeds: number;
  readonly steps: number;
  readonly mutate?: string;
  readonly json?: boolean;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

/** The command that repeats a run. */
function replay({ seed }: SimulationResult, { steps, mutate }: Options): string {
  return `npm run simulate -- --seed ${seed} --steps ${steps}${mutate === undefined ? '' : ` --mutate ${mutate}`}`;
}

function report(result: SimulationResult, options: Options): void {
  const { seed, failure } = result;
  if (!failure) return;
  console.log(`seed ${seed} fails at step ${failure.step}: ${failure.message}\n`);
  for (const action of failure.actions) console.log(`  ${action}`);
  console.log(`\nreplay: ${replay(result, options)}`);
}

async function run(options: Options): Promise<boolean> {
  const first = options.seed ?? randomInt(2 ** 47);
  const totals = new Map<string, number>();
  const begin = performance.now();
  let steps = 0;
  let failed: SimulationResult | undefined;
  let done = 0;
  while (!failed && done < options.seeds) {
    const result = await simulate({ seed: first + done, steps: options.steps, mutation: options.mutate });
    done++;
    steps += result.steps;
    for (const [name, count] of Object.entries(result.counts))
      totals.set(name, (totals.get(name) ?? 0) + count);
    if (options.json) console.log(JSON.stringify({ ...result, replay: replay(result, options) }));
    else report(result, options);
    if (result.failure) failed = result;
  }
  if (!options.json) {
    const seconds = (performance.now() - begin) / 1000;
    const counts = [...totals].map(([name, count]) => `${count} ${name}`).join(', ');
    console.log(`seeds ${first}..${first + done - 1}: ${failed ? 'a law is broken' : 'all laws hold'}`);
    console.log(
      `${steps} steps in ${seconds.toFixed(1)} s (${Math.round(steps / seconds)} steps/s): ${counts}`,
    );
  }
  return failed === undefined;
}

const command = new Command('simulate')
  .description('Runs the sequencer core in seeded worlds of failing networks, databases and processes.')
  .option('--seed <number>', 'first seed; without it a random one', whole)
  .option('--seeds <count>', 'how many seeds, one after another', whole, 1)
  .option('--steps <count>', 'steps with faults per seed', whole, SIMULATION_STEPS)
  .addOption(new Option('--mutate <name>', 'plant a known fault').choices(Object.keys(MUTATIONS)))
  .option('--json', 'one JSON object per seed')
  .action(async (options: Options) => {
    process.exitCode = (await run(options)) ? 0 : 1;
  });
await command.parseAsync();
