/** An agent on one of the protocols: it writes, and it follows the whole stream. */
import type { VesEnvelopeJson } from '../../../engine/protocol/index.js';

/** Called for every event that arrives, in the order of arrival. */
export type Heard = (sequence: number, eventId: string) => void;

export interface Peer {
  readonly name: string;
  /** Sends events until the service has acknowledged them, across crashes; answers how many were stored. */
  push(events: readonly VesEnvelopeJson[]): Promise<number>;
  /** Follows the stream from its beginning, across crashes, until `close`. */
  follow(heard: Heard): void;
  /** How often the line had to be opened again. */
  readonly reconnects: number;
  close(): void;
}

export interface PeerOptions {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly grpcAddress: string;
  readonly apiKey: string;
  readonly tenantId: string;
  readonly storeId: string;
  readonly agentId: string;
}

/** Pause before a line is opened again. */
export const RECONNECT_MS = 200;
