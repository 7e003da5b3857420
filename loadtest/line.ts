/** A line to the service that carries ready-made requests, whatever its protocol. */

export const PROTOCOLS = ['http', 'ws', 'grpc'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** What a request was answered, as far as a measurement wants to know it. */
export interface Answer {
  /** `200` over HTTP; `ok` elsewhere; otherwise status and error code. The key under which errors are counted. */
  readonly code: string;
  readonly good: boolean;
  /** Events accepted; 0 when the answer does not say. */
  readonly accepted: number;
  /** Numbers of the first and last accepted event; 0 when the answer does not say. */
  readonly first: number;
  readonly last: number;
  /** The answer as it came; valid until the handler returns. */
  readonly body: Uint8Array;
}

export interface Line<Tag> {
  /** Sends a whole request. Its answer goes to the handler with `tag`. */
  send(request: Uint8Array, tag: Tag): void;
  close(): void;
}

export interface LineOptions<Tag> {
  readonly host: string;
  readonly port: number;
  /** For lines that say who they are once, and not with each request. */
  readonly apiKey: string;
  onAnswer(tag: Tag, answer: Answer): void;
  /** The line is gone; requests under way will not be answered. */
  onBroken(reason: string): void;
}

/** @throws Error when it cannot be opened */
export type OpenLine = <Tag>(options: LineOptions<Tag>) => Promise<Line<Tag>>;
