/**
 * RFC 3339 text of a timestamp as the database writes it in UTC (`2026-01-31 12:00:00.1234+00`), with 0, 3 or 6 fraction
 * digits, the fewest that are exact.
 */
export function renderTimestamp(stored: string, suffix: 'Z' | '+00:00' = 'Z'): string {
  const whole = `${stored.slice(0, 10)}T${stored.slice(11, 19)}`;
  const fraction = stored.charCodeAt(19) === 0x2e ? stored.slice(20, stored.indexOf('+', 20)) : '';
  if (fraction === '') return whole + suffix;
  return `${whole}.${fraction.padEnd(fraction.length > 3 ? 6 : 3, '0')}${suffix}`;
}

/** The same, or null. */
export const timestampOrNull = (stored: string | null): string | null =>
  stored === null ? null : renderTimestamp(stored);
