/** Where the parts of an encoded row are; reused from row to row. */
export interface EncodedRow {
  /** Absolute offset behind the row. */
  end: number;
  /** Offset in the row of signing hash ‖ signature; 0 when the row has none. */
  proof: number;
  /** Offset in the row of the entity_type column. */
  entity: number;
}
