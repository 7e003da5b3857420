/** After the service has stopped: the evidence is verified offline, the database is checked, once more after one changed byte. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectDatabase } from '../../engine/store/connection.js';
import { startEmbeddedPostgres } from '../../engine/store/embedded-postgres.js';
import { EVIDENCE } from './evidence.js';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const SHARED_BUFFERS = 128 * 1024 * 1024;

export interface ProveWish {
  /** Data directory of the stopped service. */
  readonly dataDir: string;
  /** Where the evidence lies. */
  readonly directory: string;
  /** The stream of the evidence. */
  readonly tenantId: string;
  readonly storeId: string;
  /** Write what the commands say here; unset: nowhere. */
  readonly output: NodeJS.WritableStream | undefined;
  say(line: string): void;
}

/** One command and whether it ended as it should. */
export interface Proof {
  readonly command: string;
  readonly ok: boolean;
}

/** Runs `verify` over all evidence, `fsck`, and `fsck` again over a database in which one byte was changed by SQL. */
export async function proveOffline(wish: ProveWish): Promise<{ proofs: Proof[]; faults: string[] }> {
  const file = (name: string) => join(wish.directory, name);
  const keys = ['--keys', file(EVIDENCE.keys)];
  const event = ['--event', file(EVIDENCE.event)];
  const runs: { args: string[]; expected: number }[] = [
    {
      args: ['verify', file(EVIDENCE.event), ...keys, '--agent-keys', file(EVIDENCE.agentKeys)],
      expected: 0,
    },
    { args: ['verify', file(EVIDENCE.tlogProof), ...keys, ...event], expected: 0 },
    { args: ['verify', file(EVIDENCE.cose), ...keys, ...event], expected: 0 },
    {
      args: [
        'verify',
        file(EVIDENCE.oldCheckpoint),
        file(EVIDENCE.newCheckpoint),
        file(EVIDENCE.consistency),
        ...keys,
      ],
      expected: 0,
    },
    { args: ['verify', file(EVIDENCE.commitmentProof), file(EVIDENCE.commitment), ...event], expected: 0 },
    { args: ['fsck', '--data-dir', wish.dataDir], expected: 0 },
  ];
  const proofs: Proof[] = [];
  const faults: string[] = [];
  const prove = async ({ args, expected }: (typeof runs)[number]) => {
    const command = `stateset-sequencer ${args.join(' ')}`;
    wish.say(`\n$ ${command}`);
    const code = await run(args, wish.output);
    proofs.push({ command, ok: code === expected });
    if (code !== expected) faults.push(`${command} ended with code ${code}, not ${expected}`);
  };

  for (const each of runs) await prove(each);
  wish.say(`\n${await changeOneByte(wish)}`);
  await prove({ args: ['fsck', '--data-dir', wish.dataDir], expected: 1 });
  return { proofs, faults };
}

function run(args: readonly string[], output: NodeJS.WritableStream | undefined): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => void output?.write(chunk));
    child.once('error', reject);
    child.once('close', resolve);
  });
}

/** What somebody with the database's password could do: switch the triggers off and edit an event. */
async function changeOneByte({ dataDir, tenantId, storeId }: ProveWish): Promise<string> {
  const server = await startEmbeddedPostgres({ dataDir, sharedBuffers: SHARED_BUFFERS, log: () => {} });
  const sql = connectDatabase(server.target, { max: 1, applicationName: 'stateset-sequencer demo' });
  try {
    const [changed] = await sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      return tx<{ sequence: bigint }[]>`
        update ves_events set payload = overlay(payload placing chr(ascii(substr(payload, 3, 1)) # 1) from 3 for 1)
        where tenant_id = ${tenantId} and store_id = ${storeId} and sequence_number =
          (select max(sequence_number) / 2 + 1 from ves_events where tenant_id = ${tenantId} and store_id = ${storeId})
        returning sequence_number as sequence`;
    });
    return `one byte of event ${changed!.sequence} of store ${storeId} was changed by SQL`;
  } finally {
    await sql.end({ timeout: 2 });
    await server.stop();
  }
}
