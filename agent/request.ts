/** One HTTP exchange with the service, tried again until it has an answer that counts or the time is up. */
import { type BackoffOptions, backoffMs } from './backoff.js';

/** The service refused the request, or could not be reached for so long that the client gave up. */
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed';
  constructor(
    message: string,
    /** HTTP status; 0 when there was no answer. */
    readonly status: number,
    /** The service's stable error code; undefined when there was no answer of that shape. */
    readonly code: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Why a request is about to be sent again. */
export interface RetryNotice {
  readonly attempt: number;
  readonly waitMs: number;
  readonly reason: string;
}

export interface RequesterOptions {
  /** Origin of the service, such as `http://localhost:8080`. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Milliseconds for one try. */
  readonly timeoutMs: number;
  /** Milliseconds after which no new try is made. */
  readonly giveUpAfterMs: number;
  readonly backoff: BackoffOptions;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
}

export interface Call {
  readonly method: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  /** JSON bytes; every try sends exactly these. */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Status 404 is an answer. */
  readonly mayBeMissing?: boolean;
}

/** Answers the parsed body of a 200, or `undefined` for an expected 404. @throws RequestFailed */
export type Requester = (call: Call) => Promise<unknown>;

type Answer =
  | { readonly done: true; readonly value: unknown }
  | {
      readonly done: false;
      readonly retry: boolean;
      readonly retryAfterSecs: number | undefined;
      readonly failure: RequestFailed;
    };

/** Refusals that say "not now"; 408 and 504 leave the outcome open, which the same bytes sent again settle. */
const RETRYABLE = new Set([408, 429, 500, 502, 503, 504]);

export function createRequester(options: RequesterOptions): Requester {
  const origin = options.url.replace(/\/+$/, '');
  const headers: Record<string, string> = {
    ...(options.apiKey === undefined ? {} : { 'x-api-key': options.apiKey }),
  };

  async function once(call: Call): Promise<Answer> {
    try {
      const response = await fetch(origin + call.path, {
        method: call.method,
        headers: call.body ? { ...headers, 'content-type': 'application/json' } : headers,
        body: call.body ?? null,
        signal: AbortSignal.timeout(options.timeoutMs),
      });
      const text = await response.text();
      if (response.status === 200) return { done: true, value: JSON.parse(text) };
      if (response.status === 404 && call.mayBeMissing) return { done: true, value: undefined };
      return refusal(response, text);
    } catch (cause) {
      // Refused, reset, timed out, or cut off in the middle of the answer.
      const reason = reasonOf(cause);
      const failure = new RequestFailed(`${call.path}: ${reason}`, 0, undefined, { cause });
      return { done: false, retry: true, retryAfterSecs: undefined, failure };
    }
  }

  return async (call) => {
    const deadline = performance.now() + options.giveUpAfterMs;
    for (let attempt = 1; ; attempt++) {
      const answer = await once(call);
      if (answer.done) return answer.value;
      const waitMs = backoffMs(attempt, answer.retryAfterSecs, options.backoff);
      if (!answer.retry || performance.now() + waitMs > deadline) throw answer.failure;
      options.onRetry?.({ attempt, waitMs, reason: answer.failure.message });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  };
}

function refusal(response: Response, text: string): Answer {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  let body: { code?: string; message?: string } = {};
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    // not the service's own answer (a proxy's, say): the status has to do
  }
  const message = body.message ?? `HTTP status ${response.status}`;
  return {
    done: false,
    retry: RETRYABLE.has(response.status),
    retryAfterSecs: Number.isFinite(retryAfter) ? retryAfter : undefined,
    failure: new RequestFailed(message, response.status, body.code),
  };
}

/** `fetch` hides the system's reason one level down. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}
