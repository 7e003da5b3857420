import { Command } from 'commander';
import { addVerifyCommand } from '../../cli/verify.js';

class Ended extends Error {
  constructor(readonly code: number) {
    super(`ended with ${code}`);
  }
}

/** Runs the command line as the binary does. */
export async function run(...argv: string[]): Promise<{ code: number; out: string; error: string }> {
  const result = { code: -1, out: '', error: '' };
  const writeOut = (text: string) => {
    result.out += text;
  };
  const writeErr = (text: string) => {
    result.error += text;
  };
  // Commands take over the program's output settings when they are added.
  const program = new Command('stateset-sequencer').configureOutput({ writeOut, writeErr });
  addVerifyCommand(program, {
    out: writeOut,
    error: writeErr,
    exit: (code) => {
      result.code = code;
    },
    abort: (code) => {
      throw new Ended(code);
    },
    nowMicros: () => 1_772_370_000_000_000n,
  });
  try {
    await program.parseAsync(['node', 'stateset-sequencer', 'verify', ...argv]);
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    result.code = error.code;
  }
  return result;
}
