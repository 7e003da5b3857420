/** The load generator, a process or a thread: prepares requests when told, sends them when told. */
import { parentPort } from 'node:worker_threads';
import type { GeneratorCommand, GeneratorReport } from './generator-messages.js';
import { prepareRequests } from './prepare.js';
import { blockOf, bodyOf, hashesAt, idsAt, type RequestBlock } from './requests.js';
import { runLoad } from './run-load.js';

let blocks: RequestBlock[] = [];

const onCommand = (command: GeneratorCommand) => {
  perform(command).catch((error: Error) => report({ type: 'failed', message: error.message }));
};
if (parentPort) {
  parentPort.on('message', onCommand);
} else {
  process.once('disconnect', () => process.exit(0));
  process.on('message', onCommand);
}

function report(message: GeneratorReport): void {
  if (parentPort) parentPort.postMessage(message);
  else process.send!(message);
}

async function perform(command: GeneratorCommand): Promise<void> {
  blocks = command.type === 'run' ? blocks : []; // the old ones may go before the new ones come
  switch (command.type) {
    case 'prepare':
      blocks = await prepareRequests(command.plan, command.threads);
      return report({ type: 'prepared' });
    case 'take':
      blocks = [blockOf(command.requests)];
      return report({ type: 'prepared' });
    case 'run': {
      const { plan } = command;
      const result = await runLoad(plan, blocks, (phase) => report({ type: 'phase', phase }));
      const isHttp = (plan.protocol ?? 'http') === 'http' && plan.expect !== 'answers';
      const samples = isHttp
        ? result.samples.map((sample) => ({ ...sample, body: bodyOf(blocks[sample.block]!, sample.request) }))
        : [];
      const sampledEvents = result.samples.map(({ block, request, text }) => ({
        ids: idsAt(blocks[block]!, request, plan.batch).slice(),
        hashes: hashesAt(blocks[block]!, request, plan.batch).slice(),
        text: isHttp ? text : '',
      }));
      return report({ type: 'result', result: { ...result, samples: [] }, samples, sampledEvents });
    }
  }
}
