/** Forms of ids in the group transaction, where every microsecond counts. */

/** 32 hex digits of a UUID as the database prints it. */
export const hexOf = (uuid: string): string => uuid.replaceAll('-', '');

/** Array literal of values that need no quoting: hex, integers. Cheaper than the general one in array-codec. */
export const literal = (values: readonly string[]): string => `{${values.join(',')}}`;
