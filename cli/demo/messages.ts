/** What the demo says to its agents' processes, and hears from them. */

/** honest: sends and keeps receipts · replayer: sends, and now and then sends something old again · forger: cheats. */
export type AgentRole = 'honest' | 'replayer' | 'forger';

/** The first message to an agent: everything it needs. */
export interface AgentOrder {
  readonly name: string;
  readonly role: AgentRole;
  readonly url: string;
  /** An administrator's key: the agent registers its own signing key with it. */
  readonly apiKey: string;
  readonly tenantId: string;
  readonly storeIds: readonly string[];
  /** Milliseconds of sending; what is unanswered then is still waited for. */
  readonly durationMs: number;
  /** Most events it sends. */
  readonly eventsMax: number;
  readonly batchEventsMax: number;
  readonly ledgerFile: string;
}

/** A few times a second: what happened since the last report. */
export interface AgentProgress {
  readonly type: 'progress';
  readonly accepted: number;
  /** Events sent again on purpose that were answered their first receipt. */
  readonly replayed: number;
  /** Forged or stale events that were refused, as they must be. */
  readonly refused: number;
  /** Requests sent again because the service did not answer or asked for it. */
  readonly retries: number;
  /** Milliseconds of each answered request, its retries included. */
  readonly latenciesMs: readonly number[];
  /** Store id -> highest head heard of. */
  readonly heads: Readonly<Record<string, number>>;
}

/** The last message. */
export interface AgentDone {
  readonly type: 'done';
  /** What went otherwise than it must; empty is good. */
  readonly faults: readonly string[];
  /** Ids of events that must be in no stream. */
  readonly forgedIds: readonly string[];
}

export type AgentMessage = AgentProgress | AgentDone;
