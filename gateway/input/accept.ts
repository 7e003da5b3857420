const MEDIA_RANGE = /^[ \t]*([^;, \t]+)[ \t]*(?:;(.*))?$/;
const WEIGHT = /(?:^|;)[ \t]*q=([01](?:\.\d{0,3})?)[ \t]*(?:;|$)/i;

/**
 * Whether an `Accept` header names this media type, and no other with a greater weight (RFC 9110 section 12.5.1). Ranges with
 * asterisks ask for nothing in particular.
 *
 * @param type in lower case
 */
export function prefers(accept: string, type: string): boolean {
  if (!accept.toLowerCase().includes(type)) return false;
  let wanted = 0;
  let others = 0;
  for (const part of accept.split(',')) {
    const [, range = '*', parameters = ''] = MEDIA_RANGE.exec(part) ?? [];
    const weight = Number(WEIGHT.exec(parameters)?.[1] ?? 1);
    if (range.toLowerCase() === type) wanted = Math.max(wanted, weight);
    else if (!range.includes('*')) others = Math.max(others, weight);
  }
  return wanted > 0 && wanted >= others;
}
