/** The load generator's process: prepares requests when told, sends them when told. */
import type { GeneratorCommand, GeneratorReport } from './generator-messages.js';
import { prepareRequests } from './prepare.js';
import { bodyOf, type RequestBlock } from './requests.js';
import { runLoad } from './run-load.js';

let blocks: RequestBlock[] = [];

process.once('disconnect', () => process.exit(0));
process.on('message', (command: GeneratorCommand) => {
  perform(command).catch((error: Error) => report({ type: 'failed', message: error.message }));
});

function report(message: GeneratorReport): void {
  process.send!(message);
}

async function perform(command: GeneratorCommand): Promise<void> {
  if (command.type === 'prepare') {
    blocks = []; // the old ones may go before the new ones come
    blocks = await prepareRequests(command.plan, command.threads);
    report({ type: 'prepared' });
    return;
  }
  const result = await runLoad(command.plan, blocks, (phase) => report({ type: 'phase', phase }));
  const samples = result.samples.map((sample) => ({
    ...sample,
    body: bodyOf(blocks[sample.block]!, sample.request),
  }));
  report({ type: 'result', result: { ...result, samples: [] }, samples });
}
