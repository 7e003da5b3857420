/** The Merkle logs of the service: one per VES stream, and the notary log over the streams' checkpoints. */
export type LogId =
  | { readonly kind: 'stream'; readonly tenantId: string; readonly storeId: string }
  | { readonly kind: 'notary' };

/** Names a log in messages: `<tenant>/<store>` or `notary`. */
export const logName = (log: LogId): string =>
  log.kind === 'notary' ? 'notary' : `${log.tenantId}/${log.storeId}`;
