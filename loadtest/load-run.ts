import { createAcknowledgementLog } from './acknowledgements.js';
import { createLatencyRecorder } from './latency.js';
import type { Answer, Line } from './line.js';
import type { LoadPlan, LoadSample } from './load-plan.js';
import { idsAt, type RequestBlock, requestAt } from './requests.js';

/** Room for one request on a line, and the request it waits for. */
export interface Slot {
  line: Line<Slot>;
  block: number;
  request: number;
  /** When its request was sent (closed loop) or due (open loop), in microseconds; -1: idle. */
  sinceMicros: number;
  broken: boolean;
  onIdle: () => void;
}

const FAILURE_TEXTS_MAX = 5;
const FAILURE_TEXT_BYTES = 300;

export const nowMicros = (): number => performance.now() * 1000;

/** What a run has sent and heard so far. */
export type LoadRun = ReturnType<typeof createLoadRun>;

export function createLoadRun(plan: LoadPlan, blocks: readonly RequestBlock[]) {
  const total = blocks.reduce((sum, block) => sum + block.ends.length, 0);
  const recorder = createLatencyRecorder();
  const failureTexts: string[] = [];
  const errors: Record<string, number> = {};
  const samples: LoadSample[] = [];
  const acknowledgements = plan.keepAcknowledgements ? createAcknowledgementLog() : undefined;
  const countsEvents = plan.expect !== 'answers';
  let taken = 0;
  let acknowledged = 0;
  let failures = 0;

  const run = {
    measuring: false,
    stopped: false,
    ranOut: false,
    /** Told when the prepared requests are used up. */
    onRanOut: () => {},
    measuredRequests: 0,
    measuredEvents: 0,
    recorder,

    /** Sends the next request over `slot`; false when there is none left or the time is up. */
    sendNext(slot: Slot, sinceMicros: number): boolean {
      if (run.stopped || slot.broken) return false;
      if (taken === total && plan.repeat) taken = 0;
      if (taken === total) {
        run.ranOut = true;
        run.onRanOut();
        return false;
      }
      // Blocks are of one length: they take turns.
      slot.block = taken % blocks.length;
      slot.request = Math.floor(taken / blocks.length);
      taken++;
      slot.sinceMicros = sinceMicros;
      slot.line.send(requestAt(blocks[slot.block]!, slot.request), slot);
      return true;
    },

    answered(slot: Slot, answer: Answer): void {
      const micros = nowMicros() - slot.sinceMicros;
      slot.sinceMicros = -1;
      if (answer.good && (!countsEvents || answer.accepted === plan.batch)) {
        acknowledged++;
        if (run.measuring) {
          run.measuredRequests++;
          run.measuredEvents += plan.batch;
          recorder.record(micros);
        }
        if (acknowledgements) acknowledge(slot, answer);
        if (acknowledged % plan.sampleEvery === 0)
          samples.push({ block: slot.block, request: slot.request, text: textOf(answer.body) });
      } else {
        const code = answer.good ? 'not all accepted' : answer.code;
        run.failed(code, `${answer.code} ${textOf(answer.body.subarray(0, FAILURE_TEXT_BYTES))}`);
      }
      slot.onIdle();
    },

    failed(code: string, text: string): void {
      failures++;
      errors[code] = (errors[code] ?? 0) + 1;
      if (failureTexts.length < FAILURE_TEXTS_MAX) failureTexts.push(text);
    },

    totals: () => ({
      acknowledgedRequests: acknowledged,
      acknowledgedEvents: countsEvents ? acknowledged * plan.batch : 0,
      failures,
      failureTexts,
      errors,
      samples,
      ranOut: run.ranOut,
      ...(acknowledgements ? { acknowledgements: acknowledgements.finish() } : {}),
    }),
  };

  /** Events of a request keep their order, so first and last number say all of them, if nothing came in between. */
  function acknowledge(slot: Slot, { first, last }: Answer): void {
    const block = blocks[slot.block]!;
    const ids = idsAt(block, slot.request, plan.batch);
    const consecutive = last - first + 1 === plan.batch;
    // Numbers that are not known are checked by presence only.
    acknowledgements!.add(block.stores[slot.request]!, consecutive ? first : 0, ids);
  }
  return run;
}

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
