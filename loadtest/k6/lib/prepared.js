// Signed requests made by `npm run loadtest:prepare`. Pure: what reads files and `SharedArray` are k6's, or
// stand-ins in tests.

/** The requests of an NDJSON text, as they are sent. */
export const linesOf = (text) => text.split('\n').filter((line) => line !== '');

export const loadManifest = (read, directory) => JSON.parse(read(`${directory}/manifest.json`));

/** All requests, held once for all virtual users. */
export const loadRequests = (read, SharedArray, directory) =>
  new SharedArray('requests', () => linesOf(read(`${directory}/ingest.ndjson`)));

/** Request number `iteration` of the test, or undefined when all are used up: an event is stored once only. */
export const requestFor = (requests, iteration) =>
  iteration < requests.length ? requests[iteration] : undefined;

/** Query of a stream. */
export const streamQuery = ({ tenantId, storeIds }, index) =>
  `tenant_id=${tenantId}&store_id=${storeIds[index % storeIds.length]}`;
