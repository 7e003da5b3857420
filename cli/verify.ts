/** `stateset-sequencer verify …`: checks evidence offline, for auditors and their scripts. */
import type { Command } from 'commander';
import type { Problem } from '../engine/log/index.js';
import {
  decodeText,
  type GivenEvent,
  type Item,
  type Report,
  readEvidence,
  readGivenEvents,
  verifyEvidence,
} from '../engine/verifier/index.js';
import { load, urlOf } from './verify/load.js';
import { parseOptions, type VerifyOptions } from './verify/options.js';
import { EXIT, type Outcome, overall, renderJson, renderText } from './verify/render.js';
import { establishTrust } from './verify/trust.js';

/** Where the command writes to and how it ends. */
export interface VerifyIo {
  out(text: string): void;
  error(text: string): void;
  /** The exit code, once the output is written. */
  exit(code: number): void;
  /** Ends the process at once: the command line cannot be understood, or was a call for help. */
  abort(code: number): never;
  nowMicros(): bigint;
}

const PROCESS: VerifyIo = {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  exit: (code) => {
    process.exitCode = code;
  },
  abort: (code) => process.exit(code),
  nowMicros: () => BigInt(Date.now()) * 1000n,
};

const HELP = `
Kinds of evidence are told apart by their content: events with and without receipts, ingest replies, .tlog-proof files,
COSE receipts, checkpoints, consistency and inclusion proofs, commitments and proofs of inclusion in them, directories of
agents' keys. Several files are tied to each other where they belong together.

Exit code: 0 everything holds, 1 something does not, 2 something could not be judged (unreadable, or no key given).
The network is used only for arguments that are URLs.`;

/** Adds the command. */
export function addVerifyCommand(program: Command, io: VerifyIo = PROCESS): void {
  program
    .command('verify')
    .description('check receipts, proofs and checkpoints offline')
    .argument('<file|url...>', 'evidence')
    .option('--keys <file|url>', "the sequencer's keys: the JSON of /.well-known/ves-sequencer")
    .option('--public-key <hex>', "a key of the sequencer's (repeatable)", collect, [])
    .option('--agent-key <hex>', "an agent's public key (repeatable)", collect, [])
    .option('--agent-keys <file|url>', "an agent's signed key directory")
    .option('--witness <vkey>', 'a witness whose cosignature counts (repeatable)', collect, [])
    .option('--quorum <n>', 'how many witnesses have to have cosigned (default: all given)')
    .option('--event <file>', 'your own copy of an event that proofs are tied to (repeatable)', collect, [])
    .option('--root <hex>', 'a root you trust; twice, older first, for consistency receipts', collect, [])
    .option('--origin <text>', 'the origin the log has to have, or what stands in front of /tenant/store')
    .option('--api-key <key>', 'sent to the URLs of evidence and of --agent-keys')
    .option('--json', 'print a report for programs')
    .addHelpText('after', HELP)
    // A mistyped option says nothing about the evidence.
    .exitOverride((error) => io.abort(error.exitCode === 0 ? 0 : EXIT.unjudged))
    .action(async (sources: string[], options: VerifyOptions) => {
      const outcome = await verify(sources, options, io.nowMicros());
      if ('problem' in outcome) {
        io.error(`${outcome.problem}\n`);
        io.exit(EXIT.unjudged);
        return;
      }
      io.out(options.json === true ? renderJson(outcome) : renderText(outcome));
      io.exit(EXIT[outcome.verdict]);
    });
}

const collect = (value: string, list: string[]): string[] => [...list, value];

/** Reads everything, then checks it; a problem when it cannot even begin. */
async function verify(
  sources: readonly string[],
  options: VerifyOptions,
  nowMicros: bigint,
): Promise<Outcome | Problem> {
  const parsed = parseOptions(options);
  if ('problem' in parsed) return parsed;
  const urls = sources.flatMap((source) => urlOf(source) ?? []);
  const refusal = refuseApiKey(options, urls);
  if (refusal !== undefined) return { problem: refusal };
  const belief = await establishTrust(options, parsed, urls, nowMicros, options.apiKey);
  if ('problem' in belief) return belief;
  const events = await readEvents(options.event);
  if ('problem' in events) return events;
  const { items, unreadable } = await readItems(sources, options.apiKey);
  const given = { events, roots: parsed.roots, nowMicros };
  const found = verifyEvidence(items, given, belief.trust);
  const reports = [...belief.reports, ...unreadable, ...found];
  return { verdict: overall(reports), reports, notes: belief.notes };
}

/** The key goes to one server, and not in the clear. */
function refuseApiKey({ apiKey, agentKeys }: VerifyOptions, urls: readonly URL[]): string | undefined {
  if (apiKey === undefined) return undefined;
  const directory = agentKeys === undefined ? undefined : urlOf(agentKeys);
  const targets = directory === undefined ? urls : [...urls, directory];
  if (new Set(targets.map(({ origin }) => origin)).size > 1)
    return '--api-key would be sent to more than one server; verify their evidence one by one';
  const open = targets.find(({ protocol, hostname }) => protocol === 'http:' && !isLoopback(hostname));
  return open && `--api-key would be sent to ${open.host} unencrypted; use https`;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

async function readEvents(files: readonly string[]): Promise<GivenEvent[] | Problem> {
  const events: GivenEvent[] = [];
  for (const file of files) {
    const loaded = await load(file);
    const read = 'problem' in loaded ? loaded : readGivenEvents(decodeText(loaded.bytes) ?? '');
    if ('problem' in read) return { problem: `--event ${file}: ${read.problem}` };
    events.push(...read);
  }
  return events;
}

async function readItems(
  sources: readonly string[],
  apiKey: string | undefined,
): Promise<{ items: Item[]; unreadable: Report[] }> {
  const items: Item[] = [];
  const unreadable: Report[] = [];
  for (const source of sources) {
    const loaded = await load(source, apiKey);
    const evidence = 'problem' in loaded ? loaded : readEvidence(loaded.bytes);
    if ('problem' in evidence) {
      const missing = [evidence.problem];
      unreadable.push({
        source,
        kind: 'unreadable',
        verdict: 'unjudged',
        steps: [],
        missing,
        doesNotProve: [],
      });
    } else items.push(...evidence.map((each) => ({ source, evidence: each })));
  }
  return { items, unreadable };
}
