import type { Logger } from 'pino';
import type { CommitmentService } from '../../engine/commitments/index.js';
import type { Config } from '../../engine/config/index.js';
import type { CursorService } from '../../engine/consumers/cursor-service.js';
import type { Sql } from '../../engine/store/connection.js';
import type { SubscriptionHub } from '../../engine/subscriptions/hub-types.js';
import type { IngestPort } from '../../workers/ingest-port.js';
import type { Authenticator } from '../auth/authenticate.js';
import type { AuthContext } from '../auth/context.js';
import type { GatewayMetrics } from '../metrics/metrics.js';
import type { Tracing } from '../telemetry/tracing.js';

/** What the gRPC gateway needs from its owner. */
export interface GrpcDeps {
  readonly config: Config;
  /** Pool for reads and administration. */
  readonly sql: Sql;
  readonly ingest: IngestPort;
  readonly hub: SubscriptionHub;
  readonly commitments: CommitmentService;
  /** Without it acknowledgements are refused and SyncState tells no cursor. */
  readonly cursors?: CursorService | undefined;
  readonly authenticate: Authenticator['authenticate'];
  /** Counts a call or message; limits are shared with HTTP, so that they hold over both. @throws ServiceError RATE_LIMIT_EXCEEDED */
  limitRate(auth: AuthContext): void;
  /** Counts a call among those of its tenant that are under way. @returns to be called when it is over @throws ServiceError RATE_LIMIT_EXCEEDED */
  enter?(auth: AuthContext): () => void;
  readonly log: Logger;
  readonly version: string;
  readonly metrics: Pick<GatewayMetrics, 'observeIngest'>;
  /** Whether events can be taken. */
  readiness(): { ready: boolean; reason?: string };
  /** Whether calls that need the database are refused, before anything of them is done. */
  isOverloaded?(): boolean;
  readonly tracing?: Tracing | undefined;
  /** Called when a call is over. */
  onCall?(call: GrpcCallReport): void;
}

/** One finished call, for metrics. */
export interface GrpcCallReport {
  /** `/package.Service/Method`, of a method that exists. */
  readonly method: string;
  /** google.rpc.Code; 1: the client left. */
  readonly status: number;
  readonly durationMs: number;
  /** Messages of a stream, from the client and to it. Unset: the call was unary. */
  readonly messagesIn?: number;
  readonly messagesOut?: number;
}
