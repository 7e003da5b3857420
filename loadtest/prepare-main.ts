/** `npm run loadtest:prepare -- [options]`: signed requests as files, for k6 and other load generators. */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type FilesPlan, writePreparedFiles } from './prepared-files.js';

const USAGE = `usage: npm run loadtest:prepare -- [options]

  --out DIR       where the files go (loadtest/k6/data)
  --requests N    requests (2000)
  --batch N       events per request (10)
  --streams N     streams (8)              --agents N     agents, one key each (16)
  --payload N     bytes of the canonical payload (400)
  --entities N    entities the events are about (10000)
  --seed TEXT     ids and keys follow from it (random)

Every event is stored once only: send a set of files once, and prepare new ones for the next run.
`;

try {
  const plan = parse();
  if (plan === undefined) {
    process.stdout.write(USAGE);
  } else {
    const { tenantId } = writePreparedFiles(plan);
    console.log(
      `${plan.requests} requests of ${plan.batch} events for tenant ${tenantId} in ${plan.directory}`,
    );
  }
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}

/** undefined: help is wanted. @throws Error when an argument is wrong */
function parse(): FilesPlan | undefined {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'loadtest/k6/data' },
      requests: { type: 'string', default: '2000' },
      batch: { type: 'string', default: '10' },
      streams: { type: 'string', default: '8' },
      agents: { type: 'string', default: '16' },
      payload: { type: 'string', default: '400' },
      entities: { type: 'string', default: '10000' },
      seed: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const count = (name: 'requests' | 'batch' | 'streams' | 'agents' | 'payload' | 'entities'): number => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number > 0) return number;
    throw new Error(`--${name} must be a whole number greater than 0, not ${values[name]}`);
  };
  return {
    directory: values.out,
    seed: values.seed ?? randomUUID(),
    ...{ requests: count('requests'), batch: count('batch'), streams: count('streams') },
    ...{ agents: count('agents'), payloadBytes: count('payload'), entities: count('entities') },
  };
}
