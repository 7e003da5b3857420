/** Longest entity type in UTF-8 bytes, as at ingest. */
export const ENTITY_TYPE_BYTES_MAX = 128;
/** Longest entity id in UTF-8 bytes, as at ingest. */
export const ENTITY_ID_BYTES_MAX = 512;
