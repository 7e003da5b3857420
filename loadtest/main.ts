/** `npm run loadtest -- [scenario] [options]`: the service under load, measured from outside, and a check of what it stored. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describeMachine } from '../bench/machine.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { formatLoadReport, type LoadReport } from './report.js';
import { SCENARIO } from './scenarios/index.js';
import { openSession } from './session.js';

const say = (line: string) => console.error(`… ${line}`);

const options = parse();
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
// Children end with their parent, but a parent that dies of a signal tells nobody.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));
mkdirSync(options.dataDir, { recursive: true });
const dataDir = mkdtempSync(join(resolve(options.dataDir), 'load-'));
const report = await run(options);
rmSync(dataDir, { recursive: true, force: true });
process.stdout.write(formatLoadReport(report));
if (options.json !== undefined) {
  mkdirSync(dirname(resolve(options.json)), { recursive: true });
  writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}
process.exit(report.correctness?.ok === false ? 1 : 0);

async function run({ scenario, check, ...rest }: Options): Promise<LoadReport> {
  const machine = describeMachine();
  const session = await openSession({ scenario, check, ...rest }, dataDir, say);
  try {
    const { rows, figures = {}, faults = [] } = await SCENARIO[scenario](session);
    const checked = check ? await session.check() : undefined;
    const ok = faults.length === 0;
    return {
      machine,
      target: session.target.local ? 'a service of its own' : session.target.url,
      settings: settingsOf(rest, scenario),
      database: session.target.local?.database ?? null,
      ...{ rows, figures },
      correctness: checked
        ? { ...checked, ok: checked.ok && ok, faults: [...faults, ...checked.faults] }
        : null,
    };
  } finally {
    await session.close();
  }
}

function settingsOf(rest: Omit<Options, 'scenario' | 'check'>, scenario: string): LoadReport['settings'] {
  const { env, url: _, apiKey: __, json: ___, dataDir: ____, help: _____, ...shown } = rest;
  const given = Object.entries({ scenario, ...shown, ...env }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as LoadReport['settings'];
}

function parse(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}
