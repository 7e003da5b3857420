/**
 * A record of an administrative act and its place in the chain:
 *
 *   hash = SHA-256("STATESET_AUDIT_V1" ‖ previous hash ‖ canonical JSON (RFC 8785) of the record)
 *
 * The first record's previous hash is 32 zero bytes. The canonical record has all members of {@link auditJson}.
 */
import { createHash } from 'node:crypto';
import { canonicalize, formatMicros } from '../protocol/index.js';

/** Who did it. `operator`: somebody at the command line; `system`: the service by itself. */
export type AuditActorType = 'bootstrap' | 'api_key' | 'agent' | 'user' | 'operator' | 'system';

/** Names of acts. What has no name of its own is `custom:<name>`. */
export type AuditAction =
  | 'api_key_created'
  | 'api_key_revoked'
  | 'api_key_updated'
  | 'agent_key_registered'
  | 'agent_key_rotated'
  | 'agent_key_revoked'
  | 'schema_registered'
  | 'schema_updated'
  | 'schema_deleted'
  | 'schema_activated'
  | 'schema_deprecated'
  | 'config_updated'
  | 'events_purged'
  | 'commitment_deleted'
  | 'dead_letter_retried'
  | 'dead_letter_purged'
  | 'login_success'
  | 'login_failure'
  | 'token_refreshed'
  | `custom:${string}`;

/** An act as it is told to the log. It can be cloned between threads. */
export interface AuditRecord {
  readonly action: AuditAction;
  readonly actor: string;
  readonly actorType: AuditActorType;
  /** Whose resource it is, a UUID; null: of the whole database. */
  readonly tenantId: string | null;
  readonly resourceType: string;
  readonly resourceId?: string | null;
  readonly requestId?: string | null;
  readonly ipAddress?: string | null;
  readonly userAgent?: string | null;
  /** Facts that a JSON text can hold, never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Set when the act was refused: why. */
  readonly errorMessage?: string | null;
}

/** A stored record. */
export type AuditEntry = {
  readonly sequence: bigint;
  readonly id: string;
  /** Microseconds since 1970. */
  readonly micros: bigint;
  readonly action: string;
  readonly actor: string;
  readonly actorType: string;
  readonly tenantId: string | null;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly requestId: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** Canonical JSON text of an object. */
  readonly details: string;
  readonly success: boolean;
  readonly errorMessage: string | null;
  /** `Uint8Array(32)`, like `hash`. */
  readonly prevHash: Uint8Array;
  readonly hash: Uint8Array;
};

/** What is covered by the hash: everything but the hashes. */
export type AuditContent = Omit<AuditEntry, 'prevHash' | 'hash'>;

const DOMAIN = 'STATESET_AUDIT_V1';

/** The record as it is shown and hashed. @throws SyntaxError when `details` is not JSON */
export const auditJson = (entry: AuditContent) => ({
  sequence: Number(entry.sequence),
  id: entry.id,
  timestamp: formatMicros(entry.micros),
  action: entry.action,
  actor: entry.actor,
  actor_type: entry.actorType,
  tenant_id: entry.tenantId,
  resource_type: entry.resourceType,
  resource_id: entry.resourceId,
  request_id: entry.requestId,
  ip_address: entry.ipAddress,
  user_agent: entry.userAgent,
  details: JSON.parse(entry.details) as unknown,
  success: entry.success,
  error_message: entry.errorMessage,
});

/** The hash of a record as {@link auditJson} gives it, `Uint8Array(32)`. @throws JcsError when it cannot be canonical JSON */
export const auditJsonHash = (json: object, prevHash: Uint8Array): Uint8Array =>
  createHash('sha256').update(DOMAIN).update(prevHash).update(canonicalize(json)).digest();

/** The record's hash, `Uint8Array(32)`. @throws SyntaxError when `details` is not JSON */
export const auditHash = (entry: AuditContent, prevHash: Uint8Array): Uint8Array =>
  auditJsonHash(auditJson(entry), prevHash);
