/** Ready-made HTTP requests, back to back in one block of memory: sending one costs a slice and a write. */
import { createEventSource, type EventMix, type Population } from './event-source.js';

export interface RequestPlan {
  readonly population: Population;
  readonly mix: EventMix;
  readonly path: string;
  readonly host: string;
  readonly apiKey: string;
  readonly requests: number;
  /** Events per request. */
  readonly batch: number;
}

/** `ends[i]` is the offset behind request `i`; it begins where the one before it ends. */
export interface RequestBlock {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: Float64Array<ArrayBuffer>;
}

const BYTES_MIN = 1024 * 1024;

/** Builds the requests; agents and streams take turns. */
export function buildRequests(plan: RequestPlan): RequestBlock {
  const { population, batch } = plan;
  const next = createEventSource(population, plan.mix);
  const ends = new Float64Array(plan.requests);
  const head =
    `POST ${plan.path} HTTP/1.1\r\nhost: ${plan.host}\r\nx-api-key: ${plan.apiKey}\r\n` +
    'content-type: application/json\r\ncontent-length: ';
  let block = Buffer.allocUnsafeSlow(BYTES_MIN);
  let end = 0;
  for (let i = 0; i < plan.requests; i++) {
    const agent = i % population.agents.length;
    // Every agent visits every store, whatever the two counts have in common.
    const store = (agent + Math.floor(i / population.agents.length)) % population.storeIds.length;
    const events: string[] = new Array(batch);
    for (let e = 0; e < batch; e++) events[e] = next(agent, store);
    const body = `{"agentId":"${population.agents[agent]!.agentId}","events":[${events.join(',')}]}`;
    const request = `${head}${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const needed = end + Buffer.byteLength(request);
    if (needed > block.length) {
      // The rest will be about like what there is.
      const guess = Math.ceil((needed / (i + 1)) * plan.requests * 1.02);
      const larger = Buffer.allocUnsafeSlow(Math.max(needed * 2, guess));
      block.copy(larger, 0, 0, end);
      block = larger;
    }
    end += block.write(request, end, 'utf8');
    ends[i] = end;
  }
  return { bytes: block as unknown as Uint8Array<ArrayBuffer>, ends };
}

/** Request `i` of a block, head and body. */
export function requestAt({ bytes, ends }: RequestBlock, i: number): Uint8Array {
  return bytes.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]!);
}

/** The JSON body of request `i`. */
export function bodyOf(block: RequestBlock, i: number): { agentId: string; events: unknown[] } {
  const text = Buffer.from(requestAt(block, i)).toString('utf8');
  return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
}
