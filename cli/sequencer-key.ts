/** `stateset-sequencer sequencer-key`: the key that signs receipts and checkpoints. */
import type { Command } from 'commander';
import { loadConfig } from '../engine/config/index.js';
import { toServiceError } from '../engine/errors/index.js';
import { encodeHex, publicKeyFromSeed } from '../engine/protocol/index.js';
import { readRetiredKeys, readSigningKey, rotateSigningKey } from './data-dir.js';

const CONFIGURED =
  'The key comes from VES_SEQUENCER_SIGNING_KEY. To replace it, set that variable to a new seed, add the present one to ' +
  'VES_SEQUENCER_RETIRED_KEYS, and start the service again.';

/** Adds `sequencer-key rotate` and `sequencer-key list`. */
export function addSequencerKeyCommands(program: Command): void {
  const group = program
    .command('sequencer-key')
    .description('the key in DATA_DIR that signs receipts and checkpoints');

  group
    .command('list')
    .description('print the public keys: the present one and those before it')
    .action((_, command: Command) => {
      const { database, sequencer } = configOf(command);
      const seed = sequencer.signingKey ?? readSigningKey(database.dataDir);
      if (seed === undefined) command.error(`error: there is no key in ${database.dataDir} yet`);
      const retired = sequencer.retiredKeys ?? readRetiredKeys(database.dataDir);
      const keys = retired.map((each) => ({ public_key: encodeHex(publicKeyFromSeed(each)), signs: false }));
      print({ keys: [...keys, { public_key: encodeHex(publicKeyFromSeed(seed)), signs: true }] });
    });

  group
    .command('rotate')
    .description(
      'make a new key and retire the present one; takes effect when the service is started again. Old receipts and checkpoints stay valid.',
    )
    .action((_, command: Command) => {
      const { database, sequencer } = configOf(command);
      if (sequencer.signingKey !== undefined) command.error(`error: ${CONFIGURED}`);
      if (readSigningKey(database.dataDir) === undefined)
        command.error(
          `error: there is no key in ${database.dataDir} yet; the service makes one when it starts`,
        );
      const { before, after } = rotateSigningKey(database.dataDir);
      print({
        retired_public_key: encodeHex(publicKeyFromSeed(before)),
        public_key: encodeHex(publicKeyFromSeed(after)),
        next: 'start the service again: it signs with the new key from then on',
      });
    });
}

function configOf(command: Command) {
  try {
    return loadConfig();
  } catch (error) {
    return command.error(`error: ${toServiceError(error).message}`);
  }
}

const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
