/**
 * Simulated agents: they send requests to any process, wait, and send again what they have no final answer for, as told to.
 * They also do what agents should not: reuse ids with other contents or in other stores, reuse command ids, guess versions.
 */
import {
  batch,
  outcome as code,
  createBatchBuilder,
  type PackedBatch,
  STREAM_LEGACY,
  STREAM_VES,
  type StreamKind,
  type Submission,
} from '../sequencer/index.js';
import {
  type JudgedEnvelope,
  packRequests,
  type SimulatedEnvelope,
  type SimulatedRequest,
} from './envelope.js';
import type { Instance } from './instance.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';
import { sha256 } from './sha256.js';

export interface AgentsOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Processes that can be reached now. */
  instances(): readonly Instance[];
  versionOf(entity: string): number;
  /** Sees every request before it is sent. */
  onSend(packed: PackedBatch, request: number, envelopes: readonly SimulatedEnvelope[]): void;
  /** How often an answer gets lost on its way to the agent. */
  answerLoss(): number;
  trace(action: string): void;
}

export interface Agents {
  /** No new wishes from now on; what is open is carried to its end. */
  quiesce(): void;
  /** Requests without a final answer. */
  readonly open: number;
}

/** A request an agent wants carried out, whatever it takes. */
interface Wish {
  readonly events: readonly JudgedEnvelope[];
  readonly final: boolean[];
  sends: number;
}

const AGENTS = 5;
const OPEN_MAX = 3;
const THINK_MS_MAX = 60;
const LATENCY_MS_MAX = 3;
const RETRY_MS_MAX = 200;
const PATIENCE_MS = 400;
const KNOWN_MAX = 60;

const hex = (name: string): string => sha256(Buffer.from(name)).toString('hex', 0, 16);

export function startAgents(options: AgentsOptions): Agents {
  const { scheduler, random, trace } = options;
  const tenants = Array.from({ length: 1 + random.int(2) }, (_, i) => hex(`tenant ${i}`));
  const stores = Array.from({ length: 1 + random.int(2) }, (_, i) => hex(`store ${i}`));
  const builder = createBatchBuilder();
  /** Envelopes sent before, for repetitions and conflicts. */
  const known: SimulatedEnvelope[] = [];
  let made = 0;
  let open = 0;
  let quiet = false;

  function makeEnvelope(kind: StreamKind, tenant: string, store: string): SimulatedEnvelope {
    const again = random.chance(0.2)
      ? known.filter((each) => each.kind === kind && each.tenant === tenant)
      : [];
    if (again.length > 0) {
      const earlier = random.pick(again);
      if (earlier.store === store && random.chance(0.6)) return earlier;
      return { ...earlier, store, content: random.chance(0.5) ? earlier.content : `other ${made++}` };
    }
    const entityId = `${random.int(4)}`;
    const entity = encodeEntity({ tenant, store, entityId });
    const guess = options.versionOf(entity) + (random.chance(0.8) ? 0 : random.int(3));
    const envelope: SimulatedEnvelope = {
      kind,
      tenant,
      store,
      id: hex(`event ${made}`),
      entityType: 'thing',
      entityId,
      content: `content ${made++}`,
      ...(random.chance(0.2) ? { command: hex(`command ${random.int(40)}`) } : {}),
      ...(random.chance(0.3) ? { base: guess } : {}),
      ...(random.chance(0.02) ? { poison: true } : {}),
    };
    known.push(envelope);
    if (known.length > KNOWN_MAX) known.shift();
    return envelope;
  }

  /** The key under which the audit counts an entity's events. */
  const entityKeys = new Map<string, string>();
  function encodeEntity({
    tenant,
    store,
    entityId,
  }: {
    tenant: string;
    store: string;
    entityId: string;
  }): string {
    const name = `${tenant} ${store} ${entityId}`;
    let key = entityKeys.get(name);
    if (key === undefined) {
      const envelope = {
        kind: STREAM_VES,
        tenant,
        store,
        id: hex('any'),
        entityType: 'thing',
        entityId,
        content: '',
      } as const;
      const packed = packRequests(
        [{ kind: STREAM_VES, tenant, store, events: [{ envelope, verdict: 0 }], deadlineMs: 0 }],
        builder,
      );
      key = `${tenant}${store}${batch.eventEntityKey(packed, 0)}`;
      entityKeys.set(name, key);
    }
    return key;
  }

  /** Verdicts as the verify worker gives them. */
  function judge(envelopes: readonly SimulatedEnvelope[]): JudgedEnvelope[] {
    const ids = new Set<string>();
    const commands = new Set<string>();
    return envelopes.map((envelope) => {
      const repeated = ids.has(envelope.id);
      const commandRepeated = envelope.command !== undefined && commands.has(envelope.command);
      ids.add(envelope.id);
      if (repeated) return { envelope, verdict: code.REPEATED_EVENT_ID };
      // Which envelopes are malformed follows from their contents: the same one is always judged alike.
      if (envelope.content.endsWith('13')) return { envelope, verdict: code.VERDICT_BASE + 1 };
      if (envelope.command !== undefined) commands.add(envelope.command);
      return { envelope, verdict: commandRepeated ? code.REPEATED_COMMAND_ID : 0 };
    });
  }

  function makeWish(): Wish {
    const kind = random.chance(0.7) ? STREAM_VES : STREAM_LEGACY;
    const [tenant, store] = [random.pick(tenants), random.pick(stores)];
    const count = random.chance(0.03) ? 0 : 1 + random.int(random.chance(0.1) ? 14 : 5);
    const events = judge(Array.from({ length: count }, () => makeEnvelope(kind, tenant, store)));
    open++;
    return { events, final: events.map(() => false), sends: 0 };
  }

  function send(wishes: readonly Wish[]): void {
    const reachable = options.instances();
    if (reachable.length === 0) {
      later(wishes);
      return;
    }
    const instance = random.pick(reachable);
    const deadlineMs = instance.nowMs() + random.between(20, 3_000);
    const parts = wishes.map((wish) => {
      wish.sends++;
      // Sometimes the whole request again, sometimes what is left of it.
      const whole = wish.sends === 1 || random.chance(0.5);
      return wish.events.map((_, i) => i).filter((i) => whole || !wish.final[i]);
    });
    const requests = wishes.map((wish, w): SimulatedRequest => {
      const { kind, tenant, store } = wish.events[0]?.envelope ?? {
        kind: STREAM_VES,
        tenant: tenants[0]!,
        store: stores[0]!,
      };
      return {
        kind,
        tenant,
        store,
        events: judge(parts[w]!.map((i) => wish.events[i]!.envelope)),
        deadlineMs,
      };
    });
    const packed = packRequests(requests, builder);
    requests.forEach((request, r) => {
      const envelopes = request.events.map(({ envelope }) => envelope);
      options.onSend(packed, r, envelopes);
    });
    trace(
      `agent sends ${requests.map(({ events }) => `${events.length} events`).join(' and ')} to ${instance.name}`,
    );
    const answered = wishes.map(() => false);
    scheduler.after(random.between(0, LATENCY_MS_MAX), () => {
      instance.receive(packed, (submission) => {
        const at = submission.request;
        if (random.chance(options.answerLoss())) return;
        scheduler.after(random.between(0, LATENCY_MS_MAX), () => {
          if (answered[at]) return;
          answered[at] = true;
          take(wishes[at]!, parts[at]!, submission);
        });
      });
    });
    const patience = deadlineMs - instance.nowMs() + random.between(0, PATIENCE_MS);
    scheduler.after(patience, () => {
      const left = wishes.filter((_, w) => !answered[w]);
      answered.fill(true);
      if (left.length > 0) later(left);
    });
  }

  function later(wishes: readonly Wish[]): void {
    scheduler.after(random.between(0, RETRY_MS_MAX), () => send(wishes));
  }

  function take(wish: Wish, part: readonly number[], { outcome }: Submission): void {
    part.forEach((event, i) => {
      const result = outcome.events[i * code.EVENT_NUMBERS]!;
      if (isFinal(result, wish.events[event]!.envelope)) wish.final[event] = true;
    });
    if (wish.final.every(Boolean)) open--;
    else later([wish]);
  }

  function act(): void {
    if (quiet) return;
    if (open < AGENTS * OPEN_MAX) send(Array.from({ length: random.chance(0.2) ? 2 : 1 }, makeWish));
    scheduler.after(random.between(0, THINK_MS_MAX), act);
  }
  for (let agent = 0; agent < AGENTS; agent++) scheduler.after(random.between(0, THINK_MS_MAX), act);

  return {
    quiesce() {
      quiet = true;
    },
    get open() {
      return open;
    },
  };
}

function isFinal(result: number, envelope: SimulatedEnvelope): boolean {
  switch (result) {
    case code.NOT_STORED:
    case code.QUEUE_FULL:
    case code.SHARE_FULL:
    case code.OUTCOME_UNKNOWN:
      return false;
    case code.REFUSED_BY_STORE:
      return envelope.poison === true;
    default:
      return true;
  }
}
