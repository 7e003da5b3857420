/** How many of what was looked at: rows by table, other things by name. */
export type Counts = Record<string, number>;

export function add(counts: Counts, name: string, rows: number): void {
  counts[name] = (counts[name] ?? 0) + rows;
}
