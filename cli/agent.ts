/** `stateset-sequencer agent …`: what an agent needs on a shell: a key, its registration, signed events ready for curl. */
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { signEvent } from '../agent/sign-event.js';
import {
  decodeHex,
  encodeHex,
  formatUuid,
  newUuidV7,
  parseUuid,
  publicKeyFromSeed,
  signEd25519,
  signProofOfPossession,
} from '../engine/protocol/index.js';

/** The file `keygen` writes; the seed is the private key. */
const KeyFile = z.object({
  agent_id: z.string().refine((text) => parseUuid(text) !== undefined, 'must be a UUID'),
  key_id: z.number().int().min(0).max(0xffff_ffff),
  seed: z.string().refine((text) => decodeHex(text, 32) !== undefined, 'must be 64 hex digits'),
});

interface AgentKey {
  readonly agentId: string;
  readonly keyId: number;
  readonly seed: Uint8Array;
}

function readKey(file: string): AgentKey {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new InvalidArgumentError(`cannot read ${file}: ${(error as Error).message}`);
  }
  const parsed = KeyFile.safeParse(content);
  if (!parsed.success)
    throw new InvalidArgumentError(
      `${file} is not a key file made by "agent keygen": ${z.prettifyError(parsed.error)}`,
    );
  return { agentId: parsed.data.agent_id, keyId: parsed.data.key_id, seed: decodeHex(parsed.data.seed, 32)! };
}

function uuid(text: string): string {
  const bytes = parseUuid(text);
  if (!bytes) throw new InvalidArgumentError('must be a UUID');
  return formatUuid(bytes);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`must be JSON: ${(error as Error).message}`);
  }
}

function version(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError('must be a whole number');
  return number;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Adds the commands. */
export function addAgentCommands(program: Command): void {
  const agent = program.command('agent').description('keys and signed events on the shell');

  agent
    .command('keygen')
    .description('print a new agent key (keep it secret: it holds the private key)')
    .option('--agent <uuid>', 'agent id', uuid, randomUUID())
    .option('--key-id <number>', 'key id', version, 1)
    .action(({ agent: agentId, keyId }: { agent: string; keyId: number }) => {
      const seed = randomBytes(32);
      print({
        agent_id: agentId,
        key_id: keyId,
        public_key: encodeHex(publicKeyFromSeed(seed)),
        seed: encodeHex(seed),
      });
    });

  agent
    .command('registration')
    .description(
      'print the body that registers the key, with proof of possession, for POST /api/v1/agents/keys',
    )
    .requiredOption('--key <file>', 'file made by keygen', readKey)
    .requiredOption('--tenant <uuid>', 'tenant id', uuid)
    .action(({ key, tenant }: { key: AgentKey; tenant: string }) => {
      const publicKey = publicKeyFromSeed(key.seed);
      const proof = signProofOfPossession(publicKey, key.seed);
      print({
        tenantId: tenant,
        agentId: key.agentId,
        keyId: key.keyId,
        publicKey: encodeHex(publicKey),
        proofOfPossessionBundle: { ed25519Pop: encodeHex(proof) },
      });
    });

  agent
    .command('sign')
    .description('print a signed event as the body for POST /api/v1/ves/events/ingest')
    .requiredOption('--key <file>', 'file made by keygen', readKey)
    .requiredOption('--tenant <uuid>', 'tenant id', uuid)
    .requiredOption('--store <uuid>', 'store id', uuid)
    .requiredOption('--entity <type/id>', 'the entity, e.g. order/o-1')
    .requiredOption('--event <type>', 'event type, e.g. order.created')
    .requiredOption('--payload <json>', 'payload', json)
    .option('--event-id <uuid>', 'event id (default: a new UUIDv7)', uuid)
    .option('--command-id <uuid>', 'idempotency key of the command behind the event', uuid)
    .option('--base-version <number>', 'version of the entity the event builds on', version)
    .action((options: SignOptions, command: Command) => {
      const slash = options.entity.indexOf('/');
      if (slash < 1 || slash === options.entity.length - 1)
        command.error('error: --entity must be a type and an id with a slash in between, e.g. order/o-1');
      const { key } = options;
      const { envelope } = signEvent(
        {
          eventId: options.eventId ?? formatUuid(newUuidV7(Date.now(), randomBytes(10))),
          tenantId: options.tenant,
          storeId: options.store,
          agentId: key.agentId,
          keyId: key.keyId,
          entityType: options.entity.slice(0, slash),
          entityId: options.entity.slice(slash + 1),
          eventType: options.event,
          createdAt: new Date().toISOString(),
          payload: options.payload,
          ...(options.commandId === undefined ? {} : { commandId: options.commandId }),
          ...(options.baseVersion === undefined ? {} : { baseVersion: options.baseVersion }),
        },
        (hash) => signEd25519(hash, key.seed),
      );
      print({ agentId: key.agentId, events: [envelope] });
    });
}

interface SignOptions {
  readonly key: AgentKey;
  readonly tenant: string;
  readonly store: string;
  readonly entity: string;
  readonly event: string;
  readonly payload: unknown;
  readonly eventId?: string;
  readonly commandId?: string;
  readonly baseVersion?: number;
}
