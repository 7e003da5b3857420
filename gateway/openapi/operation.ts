import type { z } from 'zod';
import type { ErrorCode } from '../../engine/errors/index.js';

/** Groups of operations, in the order of the page. */
export const TAGS = {
  Ingest: 'Signed events in, receipts out.',
  Events: 'Reading streams and following them as they grow.',
  Consumers: 'Durable cursors of agents, and groups that share a stream.',
  Log: 'Every stream is an append-only Merkle log (RFC 9162): checkpoints, proofs, tiles.',
  'Older stream': 'A second stream per store, without signatures and receipts.',
  Commitments: 'Merkle roots over ranges of a stream, chained to each other, and proofs in them.',
  Keys: 'Signing keys of agents, and API keys.',
  Agents: 'Registration, and what agents may write.',
  Administration: 'For administrators: figures, and the record of administrative acts.',
  Service: 'The state of the service, and its description.',
} as const;

export type Tag = keyof typeof TAGS;

/** What a body of an answer is: JSON of this shape, or bytes or text of a media type of its own. */
export type Content =
  | { readonly type: 'application/json'; readonly schema: z.ZodType }
  /** One JSON text per line, each of this shape. */
  | { readonly type: 'application/x-ndjson'; readonly schema: z.ZodType }
  | { readonly type: string; readonly description: string; readonly binary?: true };

/** An answer that is no error. */
export interface Answer {
  readonly status: number;
  readonly description: string;
  readonly content: readonly Content[];
  /** Headers besides those of every answer, with what they say. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is known about a route besides its row in the route table. Schemas of inputs are those that the handler parses with. */
export interface Operation {
  readonly id: string;
  readonly tag: Tag;
  readonly summary: string;
  /** CommonMark, of which paragraphs, code spans and links are used. */
  readonly description?: string;
  /** Schemas of path parameters that `parameters.ts` does not know by their name. */
  readonly path?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  /** Request headers that say what is wanted, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  /** Name of the body among the document's schemas. */
  readonly bodyName?: string;
  readonly answers: readonly Answer[];
  /** Codes besides those that follow from credentials, input and the state of the service. */
  readonly errors?: readonly ErrorCode[];
  /**
   * What the JSON blocks under the route's heading in docs/http.md show. Unset: the request, where there is a body, then the
   * answer.
   */
  readonly blocks?: readonly ('request' | 'answer' | 'other')[];
  /** Examples for what docs/http.md does not show. */
  readonly requestExample?: unknown;
  readonly answerExample?: unknown;
}

/** By method and path of the route table. */
export type Operations = Readonly<Record<string, Operation>>;

/** The one answer of most routes: 200 with JSON. */
export const ok = (description: string, schema: z.ZodType): Answer[] => [
  { status: 200, description, content: [{ type: 'application/json', schema }] },
];
