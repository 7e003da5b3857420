/**
 * Getting the notary's checkpoints cosigned. All witnesses are asked for the same checkpoint, the target, so that their cosignatures come
 * together under one; the target moves on to the latest checkpoint when a quorum is reached, or when nobody is being asked any more. Each
 * witness is asked on its own: one that is slow or gone delays no other, it only waits longer and longer before it is asked again.
 */
import { type AskWitness, type CallGuard, createAskWitness, type Refusal } from './ask-witness.js';
import type { NotaryCheckpoint, PublishedCheckpoints } from './published.js';
import type { Witness, WitnessPolicy } from './witness-policy.js';

/** Where background work reports to. */
export type TransparencyLog = (level: 'info' | 'warn' | 'error', message: string, details: object) => void;

/** How it goes with one witness. */
export interface WitnessStatus {
  /** Its verifier key as configured. */
  readonly vkey: string;
  /** Largest size it has cosigned for this process; 0 if none yet. */
  readonly cosignedSize: number;
  /** Failures since its last cosignature. */
  readonly failures: number;
  /** What went wrong last; unset when nothing has since its last cosignature. */
  readonly problem: string | undefined;
  /** It has seen another history of the notary log than our database holds. */
  readonly alarm: boolean;
}

export interface Witnessing {
  /** Asks every witness that is due to cosign the present target. Does not wait for their answers. */
  advance(): Promise<void>;
  /** Waits until nobody is being asked. */
  settled(): Promise<void>;
  status(): readonly WitnessStatus[];
  /** Gives up what is being asked and waits for its end; nobody is asked any more. */
  stop(): Promise<void>;
}

export interface WitnessingOptions {
  /** Pause after a first failure; doubled with each further one. */
  readonly pauseFirstMs?: number;
  readonly pauseMaxMs?: number;
  /** How long a witness may take to answer. */
  readonly timeoutMs?: number;
  /** Clock in milliseconds. */
  readonly now?: () => number;
  /** Stands before every call of a witness. */
  readonly guard?: CallGuard;
}

const PAUSE_FIRST_MS = 1000;
const PAUSE_MAX_MS = 300_000;
/** A refusal that time does not heal counts as this many failures in a row. */
const FAILURES_OF_LASTING_REFUSAL = 7;
/** Pauses are shorter by up to this part, at random, so that processes do not ask in step. */
const JITTER = 0.5;

type Standing = { -readonly [Key in keyof WitnessStatus]: WitnessStatus[Key] } & {
  readonly witness: Witness;
  busy: boolean;
  /** Not asked before this time, in milliseconds. */
  dueAt: number;
};

export function createWitnessing(
  deps: Parameters<typeof createAskWitness>[0] & {
    policy: WitnessPolicy;
    published: PublishedCheckpoints;
    log: TransparencyLog;
  },
  options: WitnessingOptions = {},
): Witnessing {
  const { policy, published, log } = deps;
  const { pauseFirstMs = PAUSE_FIRST_MS, pauseMaxMs = PAUSE_MAX_MS, now = Date.now } = options;
  const askWitness: AskWitness = createAskWitness(deps, options);
  const standings: readonly Standing[] = policy.witnesses.map((witness) => ({
    ...{ witness, vkey: witness.vkey, busy: false, dueAt: 0 },
    ...{ cosignedSize: 0, failures: 0, problem: undefined, alarm: false },
  }));
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();
  let target: NotaryCheckpoint | undefined;
  /** Who is being asked for the target. */
  let asked = new Set<Standing>();

  async function advance(): Promise<void> {
    if (standings.length === 0) return;
    target = await chooseTarget();
    if (!target || stopping.signal.aborted) return;
    for (const standing of standings)
      if (!standing.busy && standing.dueAt <= now() && !target.cosignedBy.includes(standing.vkey))
        start(standing, target);
  }

  /** The target with the cosignatures it has by now, or else the latest checkpoint. */
  async function chooseTarget(): Promise<NotaryCheckpoint | undefined> {
    const latest = await published.latest();
    if (!target || !latest || latest.size <= target.size) return latest;
    const present = await published.at(target.size);
    if (asked.size > 0 && present && present.cosignedBy.length < policy.quorum) return present;
    asked = new Set();
    return latest;
  }

  function start(standing: Standing, checkpoint: NotaryCheckpoint): void {
    const together = asked.add(standing);
    standing.busy = true;
    const end = ask(standing, checkpoint).finally(() => {
      standing.busy = false;
      together.delete(standing);
      underWay.delete(end);
    });
    underWay.add(end);
  }

  /** Never rejects. */
  async function ask(standing: Standing, checkpoint: NotaryCheckpoint): Promise<void> {
    const { signal } = stopping;
    const outcome = await askWitness(standing.witness, checkpoint, signal).catch(
      (error: unknown): Refusal => ({ problem: `it could not be asked: ${error}` }),
    );
    if (outcome === 'cosigned') {
      const cosignedSize = Math.max(standing.cosignedSize, checkpoint.size);
      Object.assign(standing, { cosignedSize, failures: 0, problem: undefined, alarm: false });
    } else if (outcome !== 'gone ahead' && !signal.aborted) pause(standing, outcome);
  }

  function pause(standing: Standing, { problem, alarm = false, lasting = false }: Refusal): void {
    const failures = standing.failures + 1;
    const doublings = (lasting || alarm ? FAILURES_OF_LASTING_REFUSAL : 0) + failures - 1;
    const pauseMs = Math.min(pauseMaxMs, pauseFirstMs * 2 ** doublings) * (1 - JITTER * Math.random());
    Object.assign(standing, { failures, problem, alarm, dueAt: now() + pauseMs });
    const details = { witness: standing.witness.key.name, problem, failures, pauseMs: Math.round(pauseMs) };
    if (alarm) log('error', 'a witness has seen another history of the notary log', details);
    else log('warn', 'a witness did not cosign', details);
  }

  return {
    advance,
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
    status: () =>
      standings.map(({ vkey, cosignedSize, failures, problem, alarm }) => ({
        ...{ vkey, cosignedSize, failures, problem, alarm },
      })),
    async stop() {
      stopping.abort();
      await Promise.all(underWay);
    },
  };
}
