/**
 * Signed requests as files, for load generators that cannot sign, such as k6:
 *
 * - `ingest.ndjson`: one body of `POST /api/v1/ves/events/ingest` per line
 * - `manifest.json`: what has to be registered before, and where the events go
 * - WebSocket frames in hex, for following each stream from its beginning, in the manifest
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { encodeHex, type VesEnvelopeJson } from '../engine/protocol/index.js';
import {
  CREDITS_MAX,
  ENDPOINT_PATH,
  encodeAck,
  encodeHello,
  encodeSubscribe,
  SUBPROTOCOL,
  WIRE_VERSION,
} from '../engine/wire/index.js';
import { ingestBody } from './encoders.js';
import {
  createPopulation,
  createSignedEventSource,
  LOAD_KEY_ID,
  type Population,
  publicKeyOf,
} from './event-source.js';

export interface FilesPlan {
  readonly directory: string;
  /** Ids and keys follow from it. Event ids do not: every preparation makes new ones. */
  readonly seed: string;
  readonly streams: number;
  readonly agents: number;
  readonly requests: number;
  readonly batch: number;
  readonly payloadBytes: number;
  readonly entities: number;
}

/** What `manifest.json` holds. Hex is lower-case without `0x`. */
export interface Manifest {
  readonly tenantId: string;
  readonly storeIds: readonly string[];
  readonly batch: number;
  readonly requests: number;
  /** Keys to register with `POST /api/v1/agents/keys`. */
  readonly keys: readonly {
    readonly tenantId: string;
    readonly agentId: string;
    readonly keyId: number;
    readonly publicKey: string;
  }[];
  readonly webSocket: {
    readonly path: string;
    readonly subprotocol: string;
    readonly hello: string;
    /** One per stream: from its first event on, with `credits` events granted. */
    readonly subscribe: readonly string[];
    readonly credits: number;
    /** Grants half of the credits again. */
    readonly grantHalf: string;
  };
}

export const MANIFEST_FILE = 'manifest.json';
export const REQUESTS_FILE = 'ingest.ndjson';

const SUBSCRIPTION = 1;

/** Writes the files; what was there is replaced. */
export function writePreparedFiles(plan: FilesPlan): Manifest {
  const population = createPopulation(plan.seed, plan.streams, plan.agents);
  const manifest = manifestOf(population, plan);
  mkdirSync(plan.directory, { recursive: true });
  writeFileSync(join(plan.directory, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  const file = openSync(join(plan.directory, REQUESTS_FILE), 'w');
  try {
    const next = createSignedEventSource(population, { ...plan, seed: 1 });
    for (let i = 0; i < plan.requests; i++) {
      const agent = i % plan.agents;
      const store = (agent + Math.floor(i / plan.agents)) % plan.streams;
      const events: VesEnvelopeJson[] = Array.from({ length: plan.batch }, () => next(agent, store).envelope);
      writeSync(file, `${ingestBody({ agentId: population.agents[agent]!.agentId, events })}\n`);
    }
  } finally {
    closeSync(file);
  }
  return manifest;
}

function manifestOf({ tenantId, storeIds, agents }: Population, { batch, requests }: FilesPlan): Manifest {
  const hello = { versionMin: WIRE_VERSION, versionMax: WIRE_VERSION, authorization: undefined };
  const follow = { id: SUBSCRIPTION, tenantId, after: 0, credits: CREDITS_MAX };
  return {
    ...{ tenantId, storeIds, batch, requests },
    keys: agents.map((agent) => ({
      ...{ tenantId, agentId: agent.agentId, keyId: LOAD_KEY_ID },
      publicKey: encodeHex(publicKeyOf(agent)),
    })),
    webSocket: {
      ...{ path: ENDPOINT_PATH, subprotocol: SUBPROTOCOL, credits: CREDITS_MAX },
      hello: encodeHex(encodeHello({ ...hello, agent: 'k6' })),
      subscribe: storeIds.map((storeId) =>
        encodeHex(encodeSubscribe({ ...follow, storeId, filter: undefined, agentId: undefined })),
      ),
      grantHalf: encodeHex(encodeAck({ id: SUBSCRIPTION, credits: CREDITS_MAX / 2, sequence: undefined })),
    },
  };
}
