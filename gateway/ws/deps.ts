import type { Logger } from 'pino';
import type { ClientAddressReader } from '../../engine/access/index.js';
import type { Config } from '../../engine/config/index.js';
import type { ServiceError } from '../../engine/errors/index.js';
import type { SubscriptionHub } from '../../engine/subscriptions/index.js';
import type { IngestKind, IngestPort, IngestReply } from '../../workers/ingest-port.js';
import type { Authenticator } from '../auth/authenticate.js';
import type { AuthContext } from '../auth/context.js';
import type { Tracing } from '../telemetry/tracing.js';
import type { Connection } from './connection.js';
import type { EventsFrames } from './events-frame.js';
import type { Outbox, OutboxEvents, Socket } from './outbox.js';
import type { WebSocketStats } from './stats.js';
import type { Cursors } from './subscriptions.js';

/** What the WebSocket gateway needs from its owner. */
export interface WebSocketGatewayDeps {
  readonly config: Config;
  readonly ingest: IngestPort;
  readonly hub: SubscriptionHub;
  readonly authenticate: Authenticator['authenticate'];
  readonly clientAddress: ClientAddressReader;
  /** Unset: there are no durable cursors. */
  readonly cursors?: Cursors | undefined;
  readonly log: Logger;
  readonly version: string;
  readonly tracing?: Tracing | undefined;
  /** Counts a request against the limit of its credentials. @throws ServiceError RATE_LIMIT_EXCEEDED */
  limitRate?(auth: AuthContext): void;
  observeIngest?(kind: IngestKind, result: IngestReply, seconds: number): void;
}

/** What connections share. */
export interface ConnectionDeps extends WebSocketGatewayDeps {
  readonly stats: WebSocketStats;
  readonly eventsFrames: EventsFrames;
  openOutbox(socket: Socket, events: OutboxEvents): Outbox;
  /** Counts a connection among those of its tenant; undefined: it is one of them now. */
  admit(connection: Connection, auth: AuthContext): ServiceError | undefined;
}
